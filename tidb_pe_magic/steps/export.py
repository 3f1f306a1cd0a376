"""The step `export`: write the existing or planned endpoint as infrastructure as code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.exports.base import ExportSource, Origins, subject
from tidb_pe_magic.exports.formats import FORMATS
from tidb_pe_magic.exports.marks import is_untouched_export
from tidb_pe_magic.files import TextFile
from tidb_pe_magic.model import EndpointStatus, Export
from tidb_pe_magic.steps.endpoints import chosen_endpoint, current_state
from tidb_pe_magic.steps.networks import vpc_with_id
from tidb_pe_magic.steps.plan import adoption, make_plan, plan_token
from tidb_pe_magic.steps.preflight import survey

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import ExportRequest
    from tidb_pe_magic.model import EndpointPlan, EventHook
    from tidb_pe_magic.runtime.context import Context

_PLACEMENT = ("vpc", "security_group", "zone", "name")


def export(context: Context, request: ExportRequest, on_event: EventHook) -> Export:  # noqa: ARG001
    """Write the existing endpoint, or the one that `create` would create; nothing is changed.

    Raises:
        InvalidRequest: a VPC, vSwitch, zone or security group cannot be used, or the file cannot be written.
        NotEligible: it is not in the cluster's region, or the service is not in the zone.
        StepOrderError: the endpoint is being deleted, or cannot be planned because look-ups are denied.
    """
    file = None
    if request.to is not None:
        # Before any call: it is already known whether the file may be replaced.
        file = TextFile(request.to, mine=is_untouched_export, replace=request.replace)
        file.check()
    planned = (
        _named_plan(context, request) if request.endpoint else make_plan(context, request, tolerant=True)
    )
    planned = _present(context, planned)
    source = ExportSource(
        plan=planned, origins=_origins(request, planned), token=plan_token(context, planned)
    )
    chosen = FORMATS[request.format]
    text = chosen.write(source)
    return Export(
        format=request.format,
        subject=f"{chosen.title}: {subject(source)}",
        text=text.text,
        endpoint_id=planned.existing.endpoint_id if planned.existing else "",
        path=file.write(f"{text.text}\n") if file else "",
        warnings=text.warnings,
    )


def _named_plan(context: Context, request: ExportRequest) -> EndpointPlan:
    """Return the plan to adopt the given endpoint.

    Raises:
        InvalidRequest: it does not exist, or the request also has options for a new endpoint.
        NotEligible: it belongs to another service.
    """
    for name in _PLACEMENT:
        if getattr(request, name):
            raise errors.InvalidRequest(
                request.label(name),
                f"is for a new endpoint, but {request.endpoint} already exists. Use only one of them.",
            )
    cluster = survey.planned_cluster(context, request.cluster, tolerant=True)
    endpoint = chosen_endpoint(context, cluster, request.endpoint)
    known = survey.survey(context, cluster)
    vpcs = known.networks.vpcs if known.networks else ()
    unseen = vpc_with_id(endpoint.vpc_id, cluster.region_id)
    vpc = next((vpc for vpc in vpcs if vpc.vpc_id == endpoint.vpc_id), unseen)
    planned = adoption(cluster, known.assumed_service, vpc, [endpoint], request)
    found = survey.plan_findings(context, known, planned, zones_asked=False, denied=None, elsewhere=())
    return replace(planned, findings=found)


def _present(context: Context, planned: EndpointPlan) -> EndpointPlan:
    """Return the plan with every attribute of the existing endpoint.

    Raises:
        StepOrderError: it is being deleted or no longer exists; or none exists and none can be planned.
    """
    endpoint = planned.existing
    if endpoint is None:
        missing = "zone" if not planned.zones else "VPC" if not planned.vpc.vpc_id else ""
        if missing:
            because = f": {planned.findings[0].summary}" if planned.findings else "."
            raise errors.StepOrderError(
                f"the endpoint cannot be planned because a {missing} cannot be looked up{because}",
                advice=Advice("", Suggestion("plan")),
            )
        return planned
    try:
        endpoint = current_state(context.alibaba(planned.cluster.region_id), endpoint)
    except errors.NotFound:
        endpoint = replace(endpoint, endpoint_status=EndpointStatus.DELETING)
    if endpoint.endpoint_status == EndpointStatus.DELETING:
        raise errors.StepOrderError(
            f"{endpoint.endpoint_id} is being deleted: there is nothing to export.",
            advice=Advice(
                "Omit --endpoint to export the endpoint that create would create.", Suggestion("endpoints")
            ),
        )
    return replace(planned, existing=endpoint)


def _origins(request: ExportRequest, planned: EndpointPlan) -> Origins:
    here = any(finding.check == "place" and finding.severity == "ok" for finding in planned.findings)
    default_vpc = "this notebook's" if here else "the only usable one"
    return Origins(
        vpc="--vpc" if request.vpc else default_vpc,
        security_groups="--security-group" if request.security_group else "the only one of the VPC",
        zones="--zone" if request.zone else "the default of plan",
        vswitches=_vswitch_origin(request, planned),
        name="--name" if request.name else "derived from the cluster's name",
    )


def _vswitch_origin(request: ExportRequest, planned: EndpointPlan) -> str:
    named = {bool(choice.vswitch_id) for choice in request.zone}
    if named == {True}:
        return "--zone"
    # If vSwitches cannot be looked up, the default is this machine's vSwitch.
    default = "the one with the most free addresses" if planned.vpc.vswitches else "this notebook's"
    return f"--zone, else {default}" if True in named else default
