"""The view of each result, in the terms of the clouds' consoles; `text` and `html` format it.

Strings are passed on as the clouds sent them: `text` and `html` escape them.
"""

from __future__ import annotations

from dataclasses import replace

from tidb_pe_magic import model
from tidb_pe_magic.display.view import Code, View
from tidb_pe_magic.display.views import (  # noqa: F401 - each registers its views in the table
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
from tidb_pe_magic.display.views.base import EMULATED, view_of
from tidb_pe_magic.display.views.discovery import command_name
from tidb_pe_magic.display.views.endpoints import (
    OWNER_ACCEPTS,
    awaits_owner,
    finding_notes,
    plan_line,
)
from tidb_pe_magic.display.views.fleets import fleet_progress, fleet_summary, state_counts
from tidb_pe_magic.display.views.loads import load_progress
from tidb_pe_magic.display.views.queries import amounts, query_summary

_OTHER_HOSTS = "OTHER API HOSTS"

__all__ = [
    "OWNER_ACCEPTS",
    "amounts",
    "awaits_owner",
    "command_name",
    "finding_notes",
    "fleet_progress",
    "fleet_summary",
    "load_progress",
    "plan_line",
    "query_summary",
    "state_counts",
    "view",
]


def view(result: model.Result) -> View:
    """Return the view of a result, with a badge if the API hosts are not the clouds' own."""
    shown = view_of(result)
    if not result.via or isinstance(result, model.HelpText):  # help does not call an API
        return shown
    via = View(title="", facts=(("API hosts", Code(*result.via)),))
    return replace(shown, badge=EMULATED if result.emulated else _OTHER_HOSTS, details=(*shown.details, via))
