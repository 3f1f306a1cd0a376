"""The step `delete`: close the connections, then remove the zones, then delete the endpoint."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.commands.write import suggestion
from tidb_pe_magic.model import Deletion, EndpointStatus, cluster_names
from tidb_pe_magic.steps import disconnect
from tidb_pe_magic.steps.endpoints import cluster_and_region, unlisted_endpoint, with_details
from tidb_pe_magic.steps.served_clusters import refuse_shared, with_clusters

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.clouds.alibaba.api import Alibaba
    from tidb_pe_magic.commands.requests import DeleteRequest
    from tidb_pe_magic.model import Cluster, EventHook, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context

_MOST_LISTED = 5


def delete(context: Context, request: DeleteRequest, on_event: EventHook) -> Deletion:
    """Delete an endpoint and wait until it is gone; one that was already deleted here is not an error.

    Raises:
        InvalidRequest: `--yes` is missing, both a cluster and a region are given, or the endpoint neither
            exists nor occurs in the journal.
        JournalError: the journal cannot be written; nothing was deleted.
        NotEligible: it does not have our tag and `--adopted` is missing; or it serves other ACTIVE or
            unknown clusters, and `--shared` is missing.
        WaitTimeout: the time limit was reached; the cloud's work continues.
        WaitCancelled: the stop button; the cloud's work continues.
    """
    cluster, region_id = cluster_and_region(context, request.cluster, request.region)
    alibaba = context.alibaba(region_id)
    found = alibaba.endpoints(endpoint_id=request.endpoint)
    if not found:
        _refuse_unknown(context, request, cluster, alibaba)
    endpoint = with_details(alibaba, found[0]) if found else unlisted_endpoint(alibaba, request.endpoint)
    if endpoint is None:
        return Deletion(endpoint_id=request.endpoint, region_id=region_id, found=False)
    endpoint = _check_request(context, endpoint, request, cluster)
    context.journal.check()  # before anything is closed
    aliases = disconnect.close_all(context, endpoint.endpoint_id)
    removal = Removal(context, alibaba, endpoint)
    wait = _Wait(context, endpoint, request, on_event)
    if endpoint.endpoint_status != EndpointStatus.DELETING:
        wait.until(removal.of_zones, lambda seen: seen is None or not seen.zones, "the removal of its zones")
    wait.until(removal.of_endpoint, lambda seen: seen is None, "its deletion")
    return Deletion(
        endpoint_id=endpoint.endpoint_id,
        region_id=region_id,
        zones=tuple(zone.zone_id for zone in endpoint.zones),
        aliases=aliases,
        clusters=endpoint.clusters,
    )


def _refuse_unknown(
    context: Context, request: DeleteRequest, cluster: Cluster | None, alibaba: Alibaba
) -> None:
    """Refuse an unknown ID: it may be mistyped, and the intended endpoint would still be billed.

    IDs that were created or deleted here are accepted, because cells are run twice. If the journal cannot be
    read, every ID is accepted.
    """
    regions = _known_regions(context, request.endpoint)
    if regions is None or alibaba.region_id in regions:
        return
    reason = f"{request.endpoint} does not exist in {alibaba.region_id}"
    if regions:
        elsewhere = ", ".join(sorted(regions))
        adopted = ["--adopted"] if request.adopted else []
        shared = ["--shared"] if request.shared else []
        raise errors.UnknownName(
            request.label("endpoint"),
            f"{reason}. According to the journal, it is in {elsewhere}.",
            advice=Advice(
                "",
                Suggestion("delete", request.endpoint, "--yes", *adopted, *shared, "--region", min(regions)),
            ),
        )
    service = cluster.service.service_name if cluster and cluster.service else ""
    there = [e for e in alibaba.endpoints() if e.ours or (service and e.service_name == service)]
    listed = ", ".join(f"{e.endpoint_id} ({e.endpoint_status})" for e in there[:_MOST_LISTED])
    more = f" and {len(there) - _MOST_LISTED} more" if len(there) > _MOST_LISTED else ""
    exists = f"existing endpoints: {listed}{more}" if there else "no endpoint created here exists"
    close = difflib.get_close_matches(request.endpoint, [e.endpoint_id for e in there], n=1)
    raise errors.UnknownName(
        request.label("endpoint"),
        f"{reason}, and no endpoint with this ID was created or deleted here; "
        + (f"did you mean {close[0]}?" if close else f"{exists}."),
        advice=Advice("", Suggestion("endpoints", *(("--region", request.region) if request.region else ()))),
    )


def _known_regions(context: Context, endpoint_id: str) -> set[str] | None:
    """Return the regions in which the journal has the endpoint; None if it cannot be read completely."""
    journal = context.journal
    try:
        mutations, corrupt = journal.mutations(), journal.corrupt_lines()
    except OSError:
        return None
    if corrupt:
        return None
    # A zone's resource starts with the endpoint's ID.
    return {m.region_id for m in mutations if m.resource.partition(" ")[0] == endpoint_id}


def _check_request(
    context: Context, endpoint: VpcEndpoint, request: DeleteRequest, cluster: Cluster | None
) -> VpcEndpoint:
    """Return the endpoint with the clusters that it serves; refuse if an option is missing."""
    if not endpoint.ours and not request.adopted:
        raise errors.NotEligible(
            "tag",
            f"{endpoint.endpoint_id} was not created here and may be in use by others.",
            advice=Advice("Use --adopted to delete it anyway.", _command(request, adopted=True)),
        )
    if not request.yes:
        endpoint = with_clusters(context, endpoint)
        facts = [endpoint.name or "no name", ", ".join(zone.zone_id for zone in endpoint.zones) or "no zone"]
        if endpoint.clusters:
            facts.append(f"serves {', '.join(cluster_names(endpoint.clusters))}")
        raise errors.InvalidRequest(
            "--yes",
            f"is missing: this deletes {endpoint.endpoint_id} ({'; '.join(facts)}) "
            "and ends every connection over it.",
        )
    if endpoint.endpoint_status == EndpointStatus.DELETING or request.shared:
        return with_clusters(context, endpoint)
    meant = {cluster.cluster_id} if cluster else frozenset[str]()
    return refuse_shared(context, endpoint, meant, command=_command(request, shared=True))


def _command(request: DeleteRequest, *, adopted: bool = False, shared: bool = False) -> Suggestion:
    """Return the request with `--yes` and the other required options."""
    adopted, shared = adopted or request.adopted, shared or request.shared
    return suggestion("delete", replace(request, yes=True, adopted=adopted, shared=shared))


class Removal:
    """The two parts of a deletion; each call does as much as the cloud currently allows."""

    def __init__(self, context: Context, alibaba: Alibaba, endpoint: VpcEndpoint) -> None:
        """Set the endpoint; nothing is removed yet."""
        self._context = context
        self._alibaba = alibaba
        self._endpoint = endpoint

    def of_zones(self) -> VpcEndpoint | None:
        """Remove each zone, because an endpoint with zones cannot be deleted; return the endpoint."""
        try:
            zones = self._alibaba.zones(self._endpoint.endpoint_id)
            for zone in zones:
                if zone.status != EndpointStatus.DELETING:
                    self._remove("RemoveZoneFromVpcEndpoint", self._alibaba.remove_zone, zone.zone_id)
            return replace(self._alibaba.refresh(self._endpoint), zones=zones)
        except errors.NotFound:
            return None

    def of_endpoint(self) -> VpcEndpoint | None:
        """Delete the endpoint itself; return it as long as it exists."""
        try:
            now = self._alibaba.refresh(self._endpoint)
            if now.endpoint_status != EndpointStatus.DELETING:
                self._remove("DeleteVpcEndpoint", self._alibaba.delete_endpoint)
                now = self._alibaba.refresh(self._endpoint)
        except errors.NotFound:
            return None
        return replace(now, zones=())

    def _remove(self, operation: str, call: Callable[..., str], *zone: str) -> None:
        """Make a call that the cloud refuses while the previous one is in progress; the wait repeats it.

        A resource that is already gone is not an error; the next observation shows what remains.
        """
        ident = self._endpoint.endpoint_id
        resource = " zone ".join((ident, *zone))
        journal, region_id = self._context.journal, self._endpoint.region_id
        try:
            with journal.change(operation, resource, region_id=region_id) as change:
                change.request_id = call(ident, *zone, client_token=change.token)
        except errors.NotFound:
            return
        except errors.Conflict as refusal:
            if "Protected" in refusal.code:
                raise


class _Wait:
    """The two waits of a deletion, under one time limit."""

    def __init__(
        self, context: Context, endpoint: VpcEndpoint, request: DeleteRequest, on_event: EventHook
    ) -> None:
        self._context = context
        self._endpoint = endpoint
        self._request = request
        self._on_event = on_event
        self._end = context.clock() + request.timeout

    def until(
        self,
        observe: Callable[[], VpcEndpoint | None],
        reached: Callable[[VpcEndpoint | None], bool],
        goal: str,
    ) -> None:
        """Call `observe` repeatedly until the goal is reached."""
        endpoint_id = self._endpoint.endpoint_id
        adopted = () if self._endpoint.ours else ("--adopted",)
        shared = ("--shared",) if self._request.shared else ()
        again = Suggestion("delete", endpoint_id, "--yes", *adopted, *shared)
        try:
            self._context.waiter.until(
                observe,
                reached=reached,
                goal=goal,
                command=again,
                timeout=max(0.0, self._end - self._context.clock()),
                on_event=self._on_event,
            )
        except (errors.WaitCancelled, errors.WaitTimeout) as unfinished:
            still = (
                f"{endpoint_id} still exists and is billed for its zones. Run the command again to finish."
            )
            unfinished.advise(Advice(still, again))
            raise
