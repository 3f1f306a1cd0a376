"""The actions on a fleet: each action processes all rows, and a failed row does not stop the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice
from tidb_pe_magic.model import Fleet, FleetEnded, RowState, Severity, row_counts
from tidb_pe_magic.steps.clusters import service_of
from tidb_pe_magic.steps.create import execute_plan, refuse_stops
from tidb_pe_magic.steps.fleet import file
from tidb_pe_magic.steps.fleet.delete import delete
from tidb_pe_magic.steps.fleet.rows import of_endpoint
from tidb_pe_magic.steps.fleet.run import FleetRun
from tidb_pe_magic.steps.fleet.wait import wait_for_all
from tidb_pe_magic.steps.plan import existing_endpoints, make_plan, plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.commands.requests import FleetRequest
    from tidb_pe_magic.model import EndpointPlan, EventHook, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context
    from tidb_pe_magic.steps.fleet.run import FleetTarget

_CONTINUES = "What the cloud has started continues. Run the command again: finished rows are skipped."


def fleet(context: Context, request: FleetRequest, on_event: EventHook) -> Fleet:
    """Perform the action on every row of the file.

    Raises:
        InvalidRequest: the file is not valid, or `--yes` is missing; nothing was done.
        JournalError: the journal cannot be written; nothing was done.
        FleetFailed: some rows failed; the error contains all rows.
        WaitCancelled: the stop button, or the cancel event; the clouds' work continues.
    """
    if request.action == "init":
        return Fleet(action=request.action, path=file.write_template(request.file))
    run = FleetRun(context, request, file.read(request.file), on_event)
    try:
        _ACTIONS[request.action](run)
    except (KeyboardInterrupt, errors.WaitCancelled):
        counts = ", ".join(f"{count} {state}" for state, count in row_counts(run.progress.rows).items())
        raise errors.WaitCancelled(
            f"stopped fleet {request.action}: {counts}.", advice=Advice(_CONTINUES, run.command)
        ) from None
    finally:
        run.stop.set()
        run.progress.publish()
    result = Fleet(
        action=request.action,
        path=request.file,
        rows=run.progress.rows,
        seconds=run.progress.elapsed,
        via=context.via,
        emulated=context.emulated,
    )
    on_event(FleetEnded(fleet=result))
    if result.failures:
        again = (
            "finished rows are skipped" if request.action in {"apply", "delete"} else "nothing was changed"
        )
        raise errors.FleetFailed(
            result, advice=Advice(f"Correct that, then run the command again: {again}.", run.command)
        )
    return result


def _plan(run: FleetRun) -> None:
    """Plan each row, with the API's dry run; nothing is changed."""

    def work(target: FleetTarget) -> None:
        entry = target.entry
        run.progress.change(entry, row_state=RowState.PLANNING)
        planned = plan(run.shared.for_call(remember=False), entry.request, run.progress.collect)
        _show_plan(run, target, planned)
        if not run.request.force:
            refuse_stops(planned, force=False)

    run.each(run.endpoint_targets(), work)


def _apply(run: FleetRun) -> None:
    """Create or adopt the endpoint of each row, then wait for all of them together."""
    run.context.journal.check()
    made: list[tuple[FleetTarget, VpcEndpoint]] = []

    def work(target: FleetTarget) -> None:
        entry = target.entry
        force = run.request.force
        run.progress.change(entry, row_state=RowState.PLANNING)
        planned = make_plan(run.shared.for_call(remember=False), entry.request, tolerant=force)
        _show_plan(run, target, planned)
        refuse_stops(planned, force=force)
        if run.stop.is_set():
            return
        run.progress.change(entry, row_state=RowState.CREATING)
        created = execute_plan(run.live, planned, entry.request)
        run.progress.change(
            entry,
            adopted=created.adopted,
            billed_zones=0 if created.adopted else planned.billed_zones,
            **of_endpoint(created.endpoint, *created.differences),
        )
        made.append((target, created.endpoint))

    run.each(run.endpoint_targets(), work)
    wait_for_all(run, made)


def _status(run: FleetRun) -> None:
    """Show the current state: one request per thousand endpoints, and one per hundred clusters."""

    def work(target: FleetTarget) -> None:
        entry, cluster = target.entry, target.cluster
        service = service_of(cluster).service_name
        staying = [e for e in existing_endpoints(run.shared, cluster) if e.vpc_id == entry.vpc_id]
        going = run.shared.alibaba(cluster.region_id).endpoints(service_name=service, vpc_id=entry.vpc_id)
        if staying:
            others = [f"{other.endpoint_id} exists, too" for other in staying[1:]]
            origin = [] if staying[0].ours else ["not created here"]
            shown = of_endpoint(staying[0], *origin, *others, unready=RowState.NOT_READY)
            run.progress.change(entry, adopted=not staying[0].ours, **shown)
        elif going:
            run.progress.change(entry, **of_endpoint(going[0]))
        else:
            run.progress.change(entry, row_state=RowState.ABSENT)

    for target in run.endpoint_targets():
        run.attempt(target, work)


def _show_plan(run: FleetRun, target: FleetTarget, planned: EndpointPlan) -> None:
    existing = planned.existing
    state = RowState.CREATE
    if existing is not None:
        state = RowState.EXISTS if existing.ours else RowState.ADOPT
    run.progress.change(
        target.entry,
        row_state=state,
        zones=tuple(zone.zone_id for zone in planned.zones),
        billed_zones=planned.billed_zones,
        endpoint_id=existing.endpoint_id if existing else "",
        host=existing.domain if existing else "",
        adopted=existing is not None,
        remarks=planned.differences,
        findings=tuple(finding for finding in planned.findings if finding.severity != Severity.OK),
    )


_ACTIONS: dict[str, Callable[[FleetRun], None]] = {
    "plan": _plan,
    "apply": _apply,
    "status": _status,
    "delete": delete,
}
