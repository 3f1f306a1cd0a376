"""Deleting the endpoints of a fleet in parallel; one list of each region shows the progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.clouds.retries import once
from tidb_pe_magic.commands.requests import DeleteRequest, FleetRequest
from tidb_pe_magic.commands.write import suggestion
from tidb_pe_magic.model import EndpointStatus, RowState
from tidb_pe_magic.steps import disconnect
from tidb_pe_magic.steps.clusters import service_of
from tidb_pe_magic.steps.delete import Removal
from tidb_pe_magic.steps.fleet.rows import of_endpoint
from tidb_pe_magic.steps.plan import preference
from tidb_pe_magic.steps.served_clusters import refuse_shared

if TYPE_CHECKING:
    from tidb_pe_magic.model import VpcEndpoint
    from tidb_pe_magic.steps.fleet.run import FleetRun, FleetTarget


def delete(run: FleetRun) -> None:
    """Delete the endpoint of each row; without `--adopted`, only endpoints that were created here.

    Raises:
        InvalidRequest: `--yes` is missing; nothing was deleted.
        JournalError: the journal cannot be written; nothing was deleted.
        WaitCancelled: the stop button, or the cancel event; the clouds' work continues.
    """
    removing = _PendingDeletions(run)
    for target in run.endpoint_targets():
        run.attempt(target, removing.add)
    removing.begin()
    run.wait_for_all(
        removing,
        goal="the deletion of every row",
        late=f"not deleted after {run.request.timeout:g} s, and billed for the zones that it has",
    )


@dataclass(frozen=True)
class _DeleteTarget:
    """A row, and the endpoint to delete."""

    target: FleetTarget
    endpoint: VpcEndpoint
    removal: Removal


class _PendingDeletions:
    """The rows whose endpoint still exists, by number."""

    def __init__(self, run: FleetRun) -> None:
        self._run = run
        self._left: dict[int, _DeleteTarget] = {}

    def add(self, target: FleetTarget) -> None:
        """Find the row's endpoint: one that was created here, or the one that `apply` would adopt.

        If the only endpoint is already being deleted, wait for it.

        Raises:
            NotEligible: it was not created here and --adopted is missing; or it serves ACTIVE or unknown
                clusters that are not in its rows, and --shared is missing.
        """
        run, entry = self._run, target.entry
        service = service_of(target.cluster).service_name
        region_id = target.cluster.region_id
        found = run.shared.alibaba(region_id).endpoints(service_name=service, vpc_id=entry.vpc_id)
        if not found:
            run.progress.change(entry, row_state=RowState.ABSENT)
            return
        endpoint, *others = sorted(found, key=_preference)
        staying = [other for other in others if other.endpoint_status != EndpointStatus.DELETING]
        remarks = [f"{other.endpoint_id} exists, too, and stays" for other in staying]
        run.progress.change(entry, **of_endpoint(endpoint, *remarks, unready=RowState.NOT_READY))
        if not endpoint.ours and not run.request.adopted:
            raise errors.NotEligible(
                "tag",
                f"{endpoint.endpoint_id} was not created here and may be in use by others.",
                advice=Advice(
                    "If you are sure that it may be deleted, delete it separately.",
                    Suggestion("delete", endpoint.endpoint_id, "--yes", "--adopted"),
                ),
            )
        if endpoint.endpoint_status != EndpointStatus.DELETING and not run.request.shared:
            alone = DeleteRequest(
                endpoint=endpoint.endpoint_id,
                cluster=target.cluster.cluster_id,
                yes=True,
                adopted=run.request.adopted,
                shared=True,
            )
            refuse_shared(run.shared, endpoint, target.cluster_ids, command=suggestion("delete", alone))
        removal = Removal(run.live, run.live.alibaba(region_id), endpoint)
        self._left[entry.number] = _DeleteTarget(target, endpoint, removal)

    def begin(self) -> None:
        """Close this kernel's connections over the endpoints, after checking `--yes`.

        Raises:
            InvalidRequest: --yes is missing.
        """
        idents = [doomed.endpoint.endpoint_id for doomed in self._left.values()]
        if idents and not self._run.request.yes:
            status = FleetRequest(action="status", file=self._run.request.file)
            raise errors.InvalidRequest(
                "--yes",
                f"is missing: this deletes {len(idents)} endpoints and ends every connection over them.",
                advice=Advice(
                    "Check them first, then add --yes to delete them.", suggestion("fleet", status)
                ),
            )
        self._run.context.journal.check()
        for ident in idents:
            disconnect.close_all(self._run.context, ident)

    def is_over(self) -> bool:
        """Return whether the wait is over."""
        return not self._left

    def poll(self) -> str:
        """Advance each deletion as far as the cloud allows; return the number of remaining ones, in words."""
        listed = self._run.endpoints(doomed.endpoint.region_id for doomed in self._left.values())
        at_rest: list[FleetTarget] = []
        for doomed in tuple(self._left.values()):
            seen = listed.get(doomed.endpoint.endpoint_id)
            if seen is None:
                self._record_deletion(doomed)
            elif seen.endpoint_status != EndpointStatus.DELETING:
                at_rest.append(doomed.target)
        self._run.each(at_rest, self._advance)
        return f"{len(self._left)} not deleted"

    def fail(self, reason: str) -> None:
        """Mark the remaining rows as failed."""
        for doomed in self._left.values():
            self._run.progress.fail(doomed.target.entry, reason, next_command=self._run.command)

    def _advance(self, target: FleetTarget) -> None:
        doomed = self._left[target.entry.number]
        self._run.progress.change(target.entry, row_state=RowState.DELETING, detail="")
        try:
            with once():
                seen = doomed.removal.of_zones()
                if seen is not None and not seen.zones:
                    seen = doomed.removal.of_endpoint()
        except errors.TidbPeError as error:
            if getattr(error, "transient", False):
                return  # the next look-up tries again
            del self._left[target.entry.number]
            raise
        if seen is None:
            self._record_deletion(doomed)

    def _record_deletion(self, doomed: _DeleteTarget) -> None:
        del self._left[doomed.target.entry.number]
        self._run.progress.change(doomed.target.entry, row_state=RowState.DELETED, detail="", zones=())


def _preference(endpoint: VpcEndpoint) -> tuple[bool, bool, tuple[bool, str, str]]:
    """Return the sort key of a row's endpoints: created here first, then those that are not being deleted."""
    deleting = endpoint.endpoint_status == EndpointStatus.DELETING
    return (not endpoint.ours, deleting, preference(endpoint))
