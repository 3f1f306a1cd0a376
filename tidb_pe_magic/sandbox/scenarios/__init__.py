"""The scenarios that the sandbox can stage by name: `Sandbox(scenario="...")`.

Each module exports `SCENARIOS`, a tuple of `tidb_pe_magic.sandbox.scenarios.scenario.Scenario`.
"""

from __future__ import annotations

import difflib

from tidb_pe_magic.sandbox.scenarios import cloud, connection, logins, place
from tidb_pe_magic.sandbox.scenarios.scenario import Scenario

__all__ = ["SCENARIOS", "Scenario", "find"]

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario for module in (connection, logins, place, cloud) for scenario in module.SCENARIOS
}


def find(name: str) -> Scenario:
    """Return the scenario of this name.

    Raises:
        ValueError: it does not exist; the closest name is shown.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    close = difflib.get_close_matches(name, SCENARIOS, n=1)
    hint = f"did you mean {close[0]}?" if close else "--list-scenarios shows them all"
    raise ValueError(f"unknown scenario {name!r}: {hint}")
