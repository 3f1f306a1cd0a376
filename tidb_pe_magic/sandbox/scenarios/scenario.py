"""What a scenario is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.sandbox.alibaba.metadata import ForeignPage, Place
    from tidb_pe_magic.sandbox.alibaba.world import World
    from tidb_pe_magic.sandbox.clock import CloudClock
    from tidb_pe_magic.sandbox.network.certificates import ServerTls
    from tidb_pe_magic.sandbox.network.gate import Gate
    from tidb_pe_magic.sandbox.network.impostors import Impostor
    from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore


class Staged(Protocol):
    """What a scenario changes: the parts of a `Sandbox`, which have its docstrings."""

    world: World
    clusters: ClusterStore
    clock: CloudClock
    gate: Gate
    place: Place | ForeignPage | None
    routed: bool

    def impersonate(self, impostor: Impostor) -> None:
        """Answer in place of the database."""

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """The names that a certificate carries."""

    def offer_tls(self, tls: ServerTls | None, *, trusted: bool = True) -> None:
        """Have the gate offer TLS, and hand out the authority where it shall be trusted."""


@dataclass(frozen=True)
class Scenario:
    """One thing that goes wrong for users, staged by name.

    Attributes:
        name: what `Sandbox(scenario=...)` and `--scenario` take.
        summary: what is wrong, in one sentence.
        stage: makes it so in a sandbox that has just started and has no endpoint yet.
        plan: the check of `plan`'s first finding; empty where it finds nothing.
        doctor: the stage that fails in `doctor` once the endpoint is created; empty if none does, or if
            no endpoint can be created.
    """

    name: str
    summary: str
    stage: Callable[[Staged], None]
    plan: str = ""
    doctor: str = ""

    @property
    def expected(self) -> str:
        """What finds it first: a check of `plan`, or `doctor:` and a stage; empty where nothing is wrong."""
        return self.plan or (f"doctor:{self.doctor}" if self.doctor else "")
