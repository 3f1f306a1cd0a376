"""Step 2: choose the network, check the plan, and create the endpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import model
from tidb_pe_magic.commands.requests import CreateRequest, NetworksRequest, PlanRequest
from tidb_pe_magic.display.html import as_html
from tidb_pe_magic.display.view import Mark, View
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.notebook.forms import fragments, widgets
from tidb_pe_magic.notebook.forms.fields import Field, FieldSet, Switch
from tidb_pe_magic.notebook.forms.operation import Action, OperationPanel
from tidb_pe_magic.notebook.forms.pickers import Picker, SeveralPicker, ZonePicker
from tidb_pe_magic.notebook.forms.state import PlanCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.notebook.forms.session import FormSession
    from tidb_pe_magic.notebook.forms.state import FormState

_CREATE, _ADOPT = "Create", "Use the existing endpoint"
# After a field changes, the old plan is drawn pale until the new one is ready.
_OUTDATED = "tidb-pe-outdated"


class CreateEndpoint:
    """The step's controls.

    Attributes:
        title: the step's name.
        box: its controls.
    """

    title = "Create the endpoint"

    def __init__(self, session: FormSession, on_created: Callable[[], None]) -> None:
        """Create the step with empty pickers.

        Args:
            session: the form's session.
            on_created: called in the worker's thread when the endpoint was created or adopted.
        """
        self._session, self._store, self._on_created = session, session.store, on_created
        self.vpc = Picker(CreateRequest, "vpc")
        self.groups = SeveralPicker(CreateRequest, "security_group", description="Security groups")
        self.zones = ZonePicker(CreateRequest, "zone")
        self.name = Field(CreateRequest, "name", description="Endpoint name")
        self.force = Switch(
            CreateRequest, "force", description="Create it even if the preflight reports a stop"
        )
        self._placement = [self.vpc, self.groups, self.zones, self.name]
        self.networks = OperationPanel(
            session,
            "networks",
            FieldSet(NetworksRequest),
            then=lambda networks: self._store.update(networks=networks),
            failed=lambda _: self._store.update(networks=None),
            show=_unusable_vpcs,
        )
        self.plan = Action(
            session,
            "plan",
            "Check the plan",
            FieldSet(PlanRequest, self._placement),
            enabled=lambda state: state.cluster is not None,
            primary=lambda state: not self._can_create(state),
            starts=self._check_starts,
            then=self._after_plan,
            failed=self._after_plan_failure,
        )
        self.create = Action(
            session,
            "create",
            _create_label,
            FieldSet(CreateRequest, [*self._placement, self.force]),
            enabled=self._can_create,
            before=self._update_label,
            then=self._after_create,
        )
        self.force.box.layout = {}
        self.rule: Any = widgets.HTML().add_class("tidb-pe-authorize")
        self.vpc.on_change(self._offer_within)
        for field in self._placement:
            field.on_change(self._check_later)
        self.force.on_change(self.plan.draw)
        self._store.observe(self._draw_plan, "plan", "plan_check")
        self._store.observe(lambda _: self._offer_vpcs(), "networks")
        self._store.observe(lambda _: self._clear(), "cluster")
        fields = widgets.VBox([field.box for field in self._placement]).add_class("tidb-pe-fields")
        self.box = widgets.VBox(
            [
                fields,
                self.networks.outcome,
                self.plan.box,
                self.force.box,
                self.create.box,
                self.rule,
            ]
        )
        self._draw_plan(self._store.state)

    def summary(self, state: FormState) -> str:
        """Return a short description of the endpoint; empty before it exists."""
        return state.endpoint.endpoint_id if state.endpoint else ""

    def open(self) -> None:
        """Look up the networks, and check the plan with the default values."""
        self.networks.announce()
        self._session.worker.then(self.reload)

    def reload(self) -> None:
        """Look up the networks, and check the plan again, in the worker's thread."""
        self.networks.run(clicked=False)
        if self._store.state.plan_check is not PlanCheck.OUTDATED:
            self._check()  # the preflight shows what is wrong, even if the networks cannot be looked up

    def _clear(self) -> None:
        """Clear the results for another cluster."""
        for operation in (self.networks, self.plan, self.create):
            operation.clear()
        self.rule.value = ""
        self.force.value = None

    def _can_create(self, state: FormState) -> bool:
        return state.plan is not None and (state.plan_allows or bool(self.force.value))

    def _check_later(self) -> None:
        """Check the plan for the current fields, and clear an earlier consent."""
        self.force.value = None
        self._store.update(plan_check=PlanCheck.OUTDATED)
        self._session.worker.look_up(self._check)

    def _check(self) -> None:
        self.plan.run(clicked=False)

    def _check_starts(self) -> None:
        self.force.value = None  # consent is valid for one plan only
        self._store.update(plan_check=PlanCheck.RUNNING)

    def _update_label(self) -> None:
        """Update the button's label to the plan for the current fields."""
        if self._store.state.plan_check is PlanCheck.OUTDATED:
            self._check()

    def _after_plan(self, plan: model.EndpointPlan) -> None:
        """Show the plan's choices in the pickers, so that every default is visible."""
        if self._store.state.plan_check is not PlanCheck.RUNNING:
            return  # the user has chosen another value in the meantime, and another check follows
        if plan.vpc.vpc_id != self.vpc.value:
            _show(self.vpc, plan.vpc.vpc_id)
            self._offer_within()
        for field, value in ((self.groups, plan.security_group_ids), (self.zones, plan.zones)):
            if not field.value:
                _show(field, value)
        self._store.update(plan=plan, plan_check=PlanCheck.CURRENT)

    def _after_plan_failure(self, _error: Exception) -> None:
        if self._store.state.plan_check is PlanCheck.RUNNING:
            self._store.update(plan=None, plan_check=PlanCheck.NONE)

    def _draw_plan(self, state: FormState) -> None:
        stopped = state.plan is not None and not state.plan_allows
        self.force.box.layout.display = "" if stopped else "none"
        if not stopped:
            self.force.value = None
        if state.plan_check in {PlanCheck.OUTDATED, PlanCheck.RUNNING}:
            self.plan.outcome.add_class(_OUTDATED)
        else:
            self.plan.outcome.remove_class(_OUTDATED)

    def _offer_vpcs(self) -> None:
        """List the VPCs in which the endpoint can be created."""
        networks = self._store.state.networks
        if networks is None:
            self.vpc.offer(())
        else:
            self.vpc.offer(
                (
                    f"{vpc.name or 'no name'}{_location(networks, vpc)} ({vpc.vpc_id}, {vpc.cidr_block})",
                    vpc.vpc_id,
                )
                for vpc in networks.usable_vpcs()
            )
            if self.vpc.value is None and networks.default_vpc is not None:
                self.vpc.value = networks.default_vpc.vpc_id
        self._offer_within()

    def _offer_within(self) -> None:
        """List the security groups and zones of the chosen VPC."""
        networks = self._store.state.networks
        vpc = (
            next((each for each in networks.vpcs if each.vpc_id == self.vpc.value), None)
            if networks
            else None
        )
        self.groups.offer(
            (f"{group.name or 'no name'} ({group.security_group_id})", group.security_group_id)
            for group in (networks.usable_security_groups(vpc) if networks and vpc else ())
        )
        self.zones.offer(networks, vpc)

    def _after_create(self, created: model.CreatedEndpoint) -> None:
        endpoint = created.endpoint
        self.rule.value = _rule(endpoint.authorization())
        self.plan.clear()

        def after_create(state: FormState) -> FormState:
            # The planned endpoint exists now.
            plan = replace(state.plan, existing=endpoint) if state.plan else None
            return replace(state.with_endpoint(endpoint), created=endpoint, plan=plan)

        self._store.change(after_create)
        self._on_created()


def _create_label(state: FormState) -> str:
    plan = state.plan
    if plan is None:
        return _CREATE
    if plan.existing:
        return _ADOPT
    if not plan.zones:  # the lookups failed, or no zone was found
        return _CREATE
    count, billed = (len(plan.zones), "") if plan.emulated else (plan.billed_zones, "billed ")
    return f"{_CREATE} ({count} {billed}{'zone' if count == 1 else 'zones'})"


def _show(field: Field, value: object) -> None:
    """Show a value that the operation chose, if the picker lists it; otherwise change nothing."""
    if isinstance(value, tuple):
        value = tuple(
            f"{each.zone_id}={each.vswitch_id}" if isinstance(each, model.EndpointZone) else each
            for each in value
        )
    try:
        field.value = value
    except InvalidRequest:
        field.value = None


def _rule(rule: model.Authorization) -> str:
    """Return the rule of the optional step Authorize, as fields to copy."""
    return fragments.fold(
        "Only for clusters that allow selected endpoints: authorize this endpoint",
        fragments.hint(
            "In TiDB Cloud: My TiDB > the instance > Settings > Networking > Private Endpoint > "
            "Authorized Networks > Add Rule."
        )
        + fragments.values(
            (
                ("Endpoint Service Name", rule.service_name),
                ("Firewall Rule Name", rule.rule_name),
                ("Your Endpoint ID", rule.endpoint_id),
            )
        ),
    )


def _location(networks: model.Networks, vpc: model.Vpc) -> str:
    return " · this notebook" if networks.is_here(vpc) else ""


def _unusable_vpcs(networks: model.Networks) -> str:
    """Return the unusable VPCs, each with its reason."""
    obstacles = [(vpc, networks.vpc_obstacle(vpc)) for vpc in networks.vpcs]
    reasons = tuple(
        Mark("aside", f"VPC {vpc.name or vpc.vpc_id}: {obstacle}.") for vpc, obstacle in obstacles if obstacle
    )
    usable = len(obstacles) - len(reasons)
    title = f"{usable} of {len(obstacles)} VPCs can hold the endpoint"
    if not reasons:
        return ""
    return fragments.fold(f"{title}. Why not the others?", as_html(View(title="", notes=reasons)))
