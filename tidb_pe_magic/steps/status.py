"""The step `status`: show which steps are done, and the next command."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tidb_pe_magic import errors
from tidb_pe_magic.advice import SQL, Suggestion
from tidb_pe_magic.model import (
    NOT_REACHED,
    Cluster,
    RunbookStatus,
    StepStatus,
    VpcEndpoint,
)
from tidb_pe_magic.steps import connections, saved_connections
from tidb_pe_magic.steps.clusters import eligible_cluster
from tidb_pe_magic.steps.endpoints import chosen_endpoint, for_endpoint
from tidb_pe_magic.steps.preflight.facts import denial_of
from tidb_pe_magic.steps.served_clusters import with_clusters
from tidb_pe_magic.steps.verify import visible_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tidb_pe_magic.commands.requests import StatusRequest
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context


_T = TypeVar("_T")
# Errors that mean "this step is not done yet", not "the look-up failed".
_NOT_DONE = (errors.StepOrderError, errors.NotEligible, errors.NotFound)


def status(context: Context, request: StatusRequest, on_event: EventHook) -> RunbookStatus:  # noqa: ARG001
    """Look up each step's state in the clouds; the first unfinished step determines the next command.

    A step whose look-up is denied counts as unknown, and the following steps are still looked up.

    Without a cloud key, the result contains the facts that this machine knows.

    Raises:
        InvalidRequest: no cluster has this name or ID, or several endpoints exist and the request selects
            none.
    """
    found = _Steps(context)
    cluster = found.cluster = found.look_up("cluster", lambda: _cluster_state(context, request))
    if cluster is None:
        return found.finish(_without_key(context) if found.known else Suggestion("clusters"))
    aliases = connections.open_aliases(context, cluster)
    found.look_up("verify", lambda: _service_state(context, cluster))
    if found.last.done is False:
        return found.finish(Suggestion("verify"))
    endpoint = found.endpoint = found.look_up("create", lambda: _endpoint_state(context, cluster, request))
    if endpoint is None:
        return found.finish(_without_endpoint(aliases, denied=found.last.done is None), *aliases)
    found.add("wait", endpoint.states(), done=endpoint.ready)
    if not endpoint.ready:
        return found.finish(for_endpoint("wait", request.endpoint))
    aliases = connections.open_aliases(context, cluster, endpoint.endpoint_id)
    if not aliases:
        found.add("connect", "no connection in this kernel", done=False)
        return found.finish(for_endpoint("connect", request.endpoint))
    found.add("connect", "as " + ", ".join(aliases), done=True)
    return found.finish(Suggestion("sql", aliases[-1]), *aliases)


class _Steps:
    """The steps that were looked up so far."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._steps: list[StepStatus] = []
        self.known: list[str] = []
        self.cluster: Cluster | None = None
        self.endpoint: VpcEndpoint | None = None

    @property
    def last(self) -> StepStatus:
        return self._steps[-1]

    def add(self, step: str, detail: str, *, done: bool | None) -> None:
        """Add a step's state; None for an unknown one."""
        self._steps.append(StepStatus(step=step, done=done, detail=detail))

    def look_up(self, step: str, call: Callable[[], tuple[_T, str]]) -> _T | None:
        """Add a step's state; return what the call has found, None if the step is not done or unknown."""
        try:
            found, detail = call()
        except _NOT_DONE as error:
            self.add(step, error.message, done=False)
            return None
        except errors.MissingCredentials as error:
            self.add(step, f"cannot tell: {error.what}", done=None)
            self.known.extend(_local_facts(self._context))
            return None
        except errors.PermissionDenied as error:
            self.add(step, f"cannot tell: {denial_of(error)}", done=None)
            return None
        self.add(step, detail, done=True)
        return found

    def finish(self, next_command: Suggestion, *aliases: str) -> RunbookStatus:
        """Return the result, with the steps that were not reached."""
        done = {step.step for step in self._steps}
        for step in ("cluster", "verify", "create", "wait", "connect"):
            if step not in done:
                self.add(step, NOT_REACHED, done=None)
        ask = next_command.operation == SQL
        return RunbookStatus(
            steps=tuple(self._steps),
            next_command=next_command,
            cluster=self.cluster,
            endpoint=self.endpoint,
            aliases=aliases,
            known=tuple(self.known),
            first_query=self._context.connections[aliases[-1]].first_query if ask else "",
        )


def _without_key(context: Context) -> Suggestion:
    """Return the next command without a cloud key; commands that need no key come first."""
    saved = saved_connections.names(context.environ)
    return Suggestion("connect", f"@{saved[0]}") if saved else Suggestion("help", "keys")


def _local_facts(context: Context) -> Iterator[str]:
    """Yield the facts that this machine knows: open and saved connections, and the journal's last change."""
    opened = ", ".join(
        f"{each.alias} ({each.cluster.display_name} at {each.host})" for each in context.connections.values()
    )
    yield f"Open connections: {opened or 'none'}."
    saved = ", ".join(f"@{name}" for name in saved_connections.names(context.environ))
    yield f"Saved connections: {saved or 'none'}."
    try:
        changes = context.journal.mutations()
    except OSError as error:
        yield f"The journal cannot be read: {error.strerror or error}."
        return
    last = changes[0] if changes else None
    if last is None:
        yield "The journal does not contain any changes from this machine."
    else:
        what = f"{last.operation} {last.resource} in {last.region_id}"
        yield f"Last change in the journal: {what}, {last.result}, {last.time}."


def _without_endpoint(aliases: Sequence[str], *, denied: bool) -> Suggestion:
    """Return the next command if no endpoint is known."""
    if not denied:
        return Suggestion("networks")  # which lists the options for `create`
    return Suggestion("sql", aliases[-1]) if aliases else Suggestion("permissions")


def _cluster_state(context: Context, request: StatusRequest) -> tuple[Cluster, str]:
    cluster = eligible_cluster(context, request.cluster)
    return cluster, f"{cluster.display_name} ({cluster.cluster_id}) in {cluster.region_id}"


def _service_state(context: Context, cluster: Cluster) -> tuple[object, str]:
    service = visible_service(context, cluster)
    return service, f"the service is available in {len(service.zones)} zones"


def _endpoint_state(context: Context, cluster: Cluster, request: StatusRequest) -> tuple[VpcEndpoint, str]:
    endpoint = with_clusters(context, chosen_endpoint(context, cluster, request.endpoint))
    origin = "" if endpoint.ours else " (not created here)"
    return endpoint, f"{endpoint.endpoint_id} in {endpoint.vpc_id}{origin}"
