"""Waiting for every endpoint of a fleet with one list of each region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.commands.requests import WaitRequest
from tidb_pe_magic.commands.write import suggestion
from tidb_pe_magic.runtime.waiter import is_connected
from tidb_pe_magic.steps.fleet.rows import of_endpoint, states
from tidb_pe_magic.steps.preflight.facts import DeniedLookup, look_up

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.model import VpcEndpoint
    from tidb_pe_magic.steps.fleet.run import FleetRun, FleetTarget


def wait_for_all(run: FleetRun, made: Iterable[tuple[FleetTarget, VpcEndpoint]]) -> None:
    """Wait until each endpoint is Active and Connected; the others fail.

    Raises:
        WaitCancelled: the stop button, or the cancel event; the clouds' work continues.
    """
    run.wait_for_all(
        _PendingRows(run, made),
        goal="every row Active and Connected",
        late=f"not Connected after {run.request.timeout:g} s",
    )


class _PendingRows:
    """The rows whose endpoint is not ready yet."""

    def __init__(self, run: FleetRun, made: Iterable[tuple[FleetTarget, VpcEndpoint]]) -> None:
        self._run = run
        self._left = {
            endpoint.endpoint_id: (target, endpoint) for target, endpoint in made if not endpoint.ready
        }

    def is_over(self) -> bool:
        """Return whether the wait is over."""
        return not self._left

    def poll(self) -> str:
        """Look up all rows, and return the number of remaining ones, in words."""
        regions = [endpoint.region_id for _, endpoint in self._left.values()]
        found = look_up(lambda: self._run.endpoints(regions))
        listed = {} if isinstance(found, DeniedLookup) else found
        for ident, (target, before) in tuple(self._left.items()):
            seen = listed.get(ident) or self._find_unlisted(before)
            try:
                ready = is_connected(seen)
            except errors.EndpointFailed as error:
                self._run.progress.fail(target.entry, error.prose, next_command=self._run.command)
                del self._left[ident]
                continue
            if seen is not None:
                self._left[ident] = (target, seen)
                self._run.progress.change(target.entry, **of_endpoint(seen))
            if ready:
                del self._left[ident]
        return f"{len(self._left)} not ready"

    def _find_unlisted(self, endpoint: VpcEndpoint) -> VpcEndpoint | None:
        """Look up one endpoint; None if it no longer exists.

        A list may lack new endpoints, or may be denied.
        """
        try:
            return self._run.live.alibaba(endpoint.region_id).refresh(endpoint)
        except errors.NotFound:
            return None

    def fail(self, reason: str) -> None:
        """Mark the remaining rows as failed."""
        for target, endpoint in self._left.values():
            alone = WaitRequest(cluster=target.cluster.cluster_id, endpoint=endpoint.endpoint_id)
            self._run.progress.fail(
                target.entry,
                f"{reason}; last seen: {endpoint.endpoint_id} {states(endpoint)}",
                next_command=suggestion("wait", alone),
            )
