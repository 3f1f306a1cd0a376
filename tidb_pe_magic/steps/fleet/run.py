"""One run over the rows of a fleet: shared contexts, and the threads that process rows."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.commands.requests import EndpointsRequest
from tidb_pe_magic.commands.write import suggestion
from tidb_pe_magic.steps.clusters import named_cluster
from tidb_pe_magic.steps.fleet.merge import contradictions, merge_rows
from tidb_pe_magic.steps.fleet.rows import RowProgress
from tidb_pe_magic.steps.fleet.shared_context import LiveContext, SharedContext
from tidb_pe_magic.threads import work_through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tidb_pe_magic.advice import NextCommand
    from tidb_pe_magic.commands.requests import FleetRequest
    from tidb_pe_magic.model import Cluster, EventHook, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context
    from tidb_pe_magic.steps.fleet.file import Entry


@dataclass(frozen=True, kw_only=True)
class FleetTarget:
    """A row whose cluster is known.

    Attributes:
        cluster_ids: IDs of its cluster, and of the clusters in rows that share its endpoint.
    """

    entry: Entry
    cluster: Cluster
    cluster_ids: frozenset[str] = frozenset()


class PendingRows(Protocol):
    """Rows that wait for a goal; each look-up may finish some of them."""

    def poll(self) -> str:
        """Look up all rows, and return the number of remaining ones, in words."""

    def is_over(self) -> bool:
        """Return whether the wait is over."""

    def fail(self, reason: str) -> None:
        """Mark the remaining rows as failed."""


class FleetRun:
    """The contexts, the progress and the threads of one command.

    Attributes:
        live: calls the clouds each time.
        shared: calls the clouds once for all rows.
        stop: set if the command ends early; the threads start nothing more.
    """

    def __init__(
        self, context: Context, request: FleetRequest, entries: Sequence[Entry], on_event: EventHook
    ) -> None:
        """Create the run, without calling a cloud."""
        self.request = request
        self.entries = entries
        self.on_event = on_event
        self.stop = threading.Event()
        self.progress = RowProgress(request.action, entries, clock=context.clock, on_event=on_event)
        self.command = suggestion("fleet", request)
        self.context = context
        self.live = LiveContext.over(context.for_call(cancel=self.stop))
        self.shared = SharedContext.over(self.live)

    def targets(self) -> list[FleetTarget]:
        """Return the rows whose cluster is found; the others fail.

        Raises:
            InvalidRequest: two rows are the same cluster and VPC.
            ApiError: the clusters cannot be listed.
        """
        self.shared.tidb_cloud()  # this also gives the run's context the API hosts of the key's profile
        found: list[FleetTarget] = []
        seen: dict[tuple[str, str], Entry] = {}
        for entry in self.entries:
            try:
                cluster = named_cluster(self.shared.for_call(remember=False), entry.cluster, field="cluster")
            except errors.InvalidRequest as error:
                self.progress.fail(entry, error.prose, next_command=Suggestion("clusters"))
                continue
            first = seen.setdefault((cluster.cluster_id, entry.vpc_id), entry)
            if first is not entry:
                raise errors.InvalidRequest(
                    self.request.label("file"),
                    f"{self.request.file} is not valid: rows {first.number} ({first}) and {entry.number} "
                    f"({entry}) are the same cluster and VPC.",
                )
            self.progress.change(entry, region_id=cluster.region_id)
            found.append(FleetTarget(entry=entry, cluster=cluster))
        self.progress.publish()
        return found

    def endpoint_targets(self) -> list[FleetTarget]:
        """Return the first row of each endpoint; its other rows show the same state.

        Rows with the same service and VPC share an endpoint. Before an endpoint is created, a row with an
        unusable cluster stays separate, so that only this row fails.

        Raises:
            InvalidRequest: two rows are the same cluster and VPC, or rows of one endpoint contradict each
                other.
            ApiError: the clusters cannot be listed.
        """
        groups: dict[tuple[str, ...], list[FleetTarget]] = {}
        for target in self.targets():
            groups.setdefault(self._endpoint_key(target), []).append(target)
        makes = self.request.action in {"plan", "apply"}
        problems = [
            problem
            for group in groups.values()
            if makes
            for problem in contradictions([target.entry for target in group])
        ]
        if problems:
            raise errors.InvalidRequest(
                self.request.label("file"),
                f"{self.request.file} is not valid: {'; '.join(problems)}. These rows share an endpoint.",
                advice="Give each of them the same options, or only one of them.",
            )
        return [self._shared_target(group) for group in groups.values()]

    def _endpoint_key(self, target: FleetTarget) -> tuple[str, ...]:
        cluster, entry = target.cluster, target.entry
        restriction = cluster.restriction
        tolerated = self.request.force and restriction is not None and restriction.name == "state"
        usable = restriction is None or tolerated or self.request.action not in {"plan", "apply"}
        if cluster.service is None or not usable:
            return (str(entry.number),)
        return cluster.region_id, cluster.service.service_name, entry.vpc_id

    def _shared_target(self, group: Sequence[FleetTarget]) -> FleetTarget:
        first, *others = group
        for other in others:
            self.progress.share(first.entry, other.entry, alone=self.alone(other))
        return replace(
            first,
            entry=merge_rows([target.entry for target in group]),
            cluster_ids=frozenset(target.cluster.cluster_id for target in group),
        )

    def each(self, targets: Iterable[FleetTarget], work: Callable[[FleetTarget], None]) -> None:
        """Run `work` for each row, a few at a time; a failed row does not stop the others.

        Raises:
            WaitCancelled: the cancel event; threads end after their current call.
        """

        def done(target: FleetTarget) -> None:
            with self.shared.events_to(self.progress.collect):
                self.attempt(target, work)

        work_through(targets, done, threads=self.request.parallel, stop=self.stop, meanwhile=self._meanwhile)
        self.progress.publish()

    def attempt(self, target: FleetTarget, work: Callable[[FleetTarget], None]) -> None:
        """Run `work` for a row, in this thread; an expected error marks the row as failed."""
        try:
            work(target)
        except errors.TidbPeError as error:
            if not self.stop.is_set():
                command: NextCommand = self.alone(target)
                if self.request.action == "delete" and error.commands:
                    command = error.commands[0]  # a refused deletion names the command that deletes anyway
                self.progress.fail(target.entry, error.prose, billed_zones=0, next_command=command)

    def alone(self, target: FleetTarget) -> Suggestion:
        """Return the command that examines only this row."""
        if self.request.action in {"plan", "apply"}:
            return suggestion("plan", target.entry.request)
        return suggestion("endpoints", EndpointsRequest(cluster=target.entry.cluster))

    def endpoints(self, regions: Iterable[str]) -> dict[str, VpcEndpoint]:
        """Return the current endpoints of these regions by ID: one request per 1,000 endpoints.

        Raises:
            ApiError: one of the regions cannot be listed.
        """
        return {
            endpoint.endpoint_id: endpoint
            for region in dict.fromkeys(regions)
            for endpoint in self.live.alibaba(region).endpoints()
        }

    def wait_for_all(self, pending: PendingRows, *, goal: str, late: str) -> None:
        """Look up the rows repeatedly until all are finished, or the time limit is reached; the rest fail.

        Args:
            pending: the rows.
            goal: the goal, in words.
            late: the reason for rows that fail at the time limit.

        Raises:
            WaitCancelled: the stop button, or the cancel event; the clouds' work continues.
        """
        if pending.is_over():
            return
        try:
            self.context.waiter.watch(
                pending.poll,
                on_observation=lambda _: self.progress.publish(anyway=True),
                in_words=str,
                reached=lambda _: pending.is_over(),
                goal=goal,
                command=self.command,
                timeout=self.request.timeout,
                on_event=self.on_event,
            )
        except errors.WaitCancelled:
            raise
        except errors.WaitTimeout:
            pending.fail(late)
        except errors.TidbPeError as error:  # listing is not, or no longer, allowed
            pending.fail(error.prose)

    def _meanwhile(self) -> None:
        if self.context.cancel.is_set():
            raise errors.WaitCancelled("stopped")
        self.progress.publish()
