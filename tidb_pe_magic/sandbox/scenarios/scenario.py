"""What a scenario is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.sandbox.sandbox import Sandbox


@dataclass(frozen=True)
class Scenario:
    """One thing that goes wrong for users, staged by name.

    Attributes:
        name: what `Sandbox(scenario=...)` and `--scenario` take.
        summary: what is wrong, in one sentence.
        stage: makes it so in a sandbox that has just started and has no endpoint yet.
        expected: what finds it: the check of `plan`'s first finding, or `doctor:` and the stage that fails;
            empty where nothing is wrong.
    """

    name: str
    summary: str
    stage: Callable[[Sandbox], None]
    expected: str
