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
        plan: the check of `plan`'s first finding; empty where it finds nothing.
        doctor: the stage that fails in `doctor` once the endpoint was made; empty where none does, or where
            no endpoint can be made.
    """

    name: str
    summary: str
    stage: Callable[[Sandbox], None]
    plan: str = ""
    doctor: str = ""

    @property
    def expected(self) -> str:
        """What finds it first: a check of `plan`, or `doctor:` and a stage; empty where nothing is wrong."""
        return self.plan or (f"doctor:{self.doctor}" if self.doctor else "")
