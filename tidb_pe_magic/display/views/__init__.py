"""What a person is shown of each result, in the clouds' console words; `layout` gives it its form.

Strings are carried as the clouds sent them: `layout` makes them harmless, all at one place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.display.layout import Mark
from tidb_pe_magic.display.views import (  # noqa: F401 - each adds its views to the table
    connections,
    discovery,
    endpoints,
    exports,
    fleets,
    history,
    identity,
    loads,
    queries,
    schemas,
    sql_users,
    topics,
)
from tidb_pe_magic.display.views.base import view_of
from tidb_pe_magic.display.views.connections import steps_table
from tidb_pe_magic.display.views.discovery import command_name
from tidb_pe_magic.display.views.endpoints import OWNER_ACCEPTS, awaits_owner, plan_cost
from tidb_pe_magic.display.views.fleets import fleet_progress, fleet_summary, in_words
from tidb_pe_magic.display.views.loads import loaded
from tidb_pe_magic.display.views.queries import amounts, query_summary

if TYPE_CHECKING:
    from tidb_pe_magic.display.layout import View

__all__ = [
    "OWNER_ACCEPTS",
    "amounts",
    "awaits_owner",
    "command_name",
    "fleet_progress",
    "fleet_summary",
    "in_words",
    "loaded",
    "plan_cost",
    "query_summary",
    "steps_table",
    "view",
]


def view(result: model.Result) -> View:
    """Return what is shown of a result, with the API hosts it came by where they are not the clouds' own."""
    shown = view_of(result)
    if not result.via or isinstance(result, model.HelpText):  # for help nobody is asked
        return shown
    label, owner = ("API host", "cloud's") if len(result.via) == 1 else ("API hosts", "clouds'")
    via = Mark("aside", f"{label}: {', '.join(result.via)} (not the {owner} own)")
    return replace(shown, notes=(*shown.notes, via))
