"""The class of scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.sandbox.alibaba.metadata import ForeignPage, InstancePlace
    from tidb_pe_magic.sandbox.alibaba.world import World
    from tidb_pe_magic.sandbox.clock import CloudClock
    from tidb_pe_magic.sandbox.network.route import Route
    from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore


class Stage(Protocol):
    """The parts of a `Sandbox` that a scenario changes; see its docstrings."""

    world: World
    clusters: ClusterStore
    clock: CloudClock
    route: Route
    place: InstancePlace | ForeignPage | None
    routed: bool


@dataclass(frozen=True)
class Scenario:
    """A problem of users, staged by name.

    Attributes:
        name: name for `Sandbox(scenario=...)` and `--scenario`.
        summary: the problem, in one sentence.
        stage: stages it in a newly started sandbox without endpoints.
        plan: the check of `plan`'s first finding; empty if it finds nothing.
        doctor: the stage that fails in `doctor` once the endpoint is created; empty if none does, or if
            no endpoint can be created.
    """

    name: str
    summary: str
    stage: Callable[[Stage], None]
    plan: str = ""
    doctor: str = ""

    @property
    def expected(self) -> str:
        """The first test that finds it: a check of `plan`, or `doctor:` and a stage; empty if all is well."""
        return self.plan or (f"doctor:{self.doctor}" if self.doctor else "")
