"""Requests that concern many clusters and VPCs at once."""

from __future__ import annotations

from dataclasses import dataclass

from tidb_pe_magic.commands.fields import option, switch, whole_number
from tidb_pe_magic.commands.requests.cloud import ForceField, TimeoutField
from tidb_pe_magic.commands.requests.values import file_path

FLEET_ACTIONS = ("init", "plan", "apply", "status", "delete")
_MOST_PARALLEL = 16


@dataclass(frozen=True, kw_only=True)
class FleetRequest(ForceField, TimeoutField):
    """Plan, create, check or delete the endpoints that a file lists."""

    action: str = option(
        "what to do; init writes a template of the file",
        default=...,
        metavar="ACTION",
        positional=True,
        choices=FLEET_ACTIONS,
    )
    file: str = option(
        "TOML file of the fleet", default=..., metavar="FILE", parse=file_path, positional=True
    )
    parallel: int = option(
        "rows to process at a time; default: 4",
        default=4,
        metavar="N",
        parse=whole_number(1, _MOST_PARALLEL),
    )
    yes: bool = option("confirm the deletion of the endpoints", default=False, parse=switch)
    adopted: bool = option("also delete endpoints that were not created here", default=False, parse=switch)
    shared: bool = option(
        "also delete endpoints that serve ACTIVE clusters outside their rows",
        default=False,
        parse=switch,
    )
