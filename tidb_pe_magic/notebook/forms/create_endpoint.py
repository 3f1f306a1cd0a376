"""Step 2: verify the service, place the endpoint, look at what it would be, and make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tidb_pe_magic import model
from tidb_pe_magic.commands.requests import CreateRequest, NetworksRequest, PlanRequest, VerifyRequest
from tidb_pe_magic.display.layout import Mark, View, as_html
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.notebook.forms.session import Action
from tidb_pe_magic.notebook.forms.fields import Field, Sheet, Switch
from tidb_pe_magic.notebook.forms.fragments import note, notes
from tidb_pe_magic.notebook.forms.pickers import Picker, SeveralPicker, ZonePicker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.notebook.forms.session import Desk

_CREATE, _ADOPT = "Create", "Use the one that exists"


class CreateEndpoint:
    """The step's controls.

    Attributes:
        title: the step's name.
        box: its controls.
    """

    title = "Create the endpoint"

    def __init__(self, desk: Desk, on_created: Callable[[model.VpcEndpoint], None]) -> None:
        """Show pickers that offer nothing yet.

        Args:
            desk: the form's.
            on_created: is given the endpoint in the worker's thread.
        """
        self._desk, self._on_created = desk, on_created
        self._networks: model.Networks | None = None
        self.vpc = Picker(CreateRequest, "vpc")
        self.groups = SeveralPicker(CreateRequest, "security_group", description="Security groups")
        self.zones = ZonePicker(CreateRequest, "zone")
        self.name = Field(CreateRequest, "name", description="Endpoint name")
        self.force = Switch(CreateRequest, "force", description="Go on even though the preflight says stop")
        placement = [self.vpc, self.groups, self.zones, self.name]
        self.verify = Action(desk, "verify", "Verify", Sheet(VerifyRequest))
        self.networks = Action(
            desk,
            "networks",
            "Look up networks again",
            Sheet(NetworksRequest),
            then=self._offer,
            show=_unusable,
            summarize=False,
        )
        self.plan = Action(desk, "plan", "Check the plan", Sheet(PlanRequest, placement), then=self._planned)
        self.create = Action(
            desk,
            "create",
            _CREATE,
            Sheet(CreateRequest, [*placement, self.force]),
            before=self._look_again,
            then=self._created,
        )
        self.create.button.button_style = "primary"
        self.rule: Any = widgets.HTML().add_class("tidb-pe-authorize")
        self.force.box.layout.display = "none"
        self.vpc.on_change(self._offer_within)
        for field in placement:
            field.on_change(self._replan)
        fields = widgets.VBox([field.box for field in placement]).add_class("tidb-pe-fields")
        self.box = widgets.VBox(
            [
                self.verify.box,
                fields,
                self.networks.box,
                self.plan.box,
                self.force.box,
                self.create.box,
                self.rule,
            ]
        )

    @property
    def state(self) -> str:
        """What there is, in a few words; empty before."""
        endpoint = self._desk.picture.endpoint
        return f"{endpoint.endpoint_id} in {endpoint.vpc_id}" if endpoint else ""

    def enter(self) -> None:
        """Look up the networks, and what the defaults would make of them."""
        for action in (self.verify, self.networks, self.plan, self.create):
            action.refresh()
        self.networks.follow()
        self._desk.worker.then(self._load)

    def forget(self) -> None:
        """Take away what was found for another cluster."""
        for action in (self.verify, self.networks, self.plan, self.create):
            action.outcome.value = ""
        self.create.button.description = _CREATE
        self.rule.value = ""
        self.force.box.layout.display = "none"
        self.force.value = None

    def _load(self) -> None:
        if self.networks.do() is None:
            self._offer_nothing()
            self._replan()  # the preflight tells why

    def _replan(self) -> None:
        """Look anew what would be made; nobody has agreed to that yet."""
        self.plan.outdate()
        self.force.value = None
        for action in (self.plan, self.create):
            action.refresh()
        self._desk.worker.look(self._renew)

    def _renew(self) -> None:
        if self.plan.do(clicked=False) is None:
            self.create.button.description = _CREATE  # what an earlier plan said holds no longer

    def _look_again(self) -> None:
        """See to it that the button says what would be made of the fields as they are."""
        if self.plan.outdated:
            self._renew()

    def _offer(self, networks: model.Networks) -> None:
        """Offer the VPCs in which the endpoint can be made."""
        self._networks = networks
        self.vpc.offer(
            (f"{vpc.name or 'no name'}{_here(networks, vpc)} ({vpc.vpc_id}, {vpc.cidr_block})", vpc.vpc_id)
            for vpc in networks.usable_vpcs()
        )
        if self.vpc.value is None and networks.default_vpc is not None:
            self.vpc.value = networks.default_vpc.vpc_id
        self._offer_within()
        self._replan()  # what is no longer offered was given up

    def _offer_nothing(self) -> None:
        """Take away what was offered for another cluster."""
        self._networks = None
        self.vpc.offer(())
        self.groups.offer(())
        self.zones.offer(None, None)

    def _offer_within(self) -> None:
        """Offer what is in the chosen VPC."""
        networks = self._networks
        if networks is None:
            return
        vpc = next((each for each in networks.vpcs if each.vpc_id == self.vpc.value), None)
        self.groups.offer(
            (f"{group.name or 'no name'} ({group.security_group_id})", group.security_group_id)
            for group in (networks.usable_security_groups(vpc) if vpc else ())
        )
        self.zones.offer(networks, vpc)

    def _planned(self, plan: model.EndpointPlan) -> None:
        """Show the plan's choices in the pickers, so that what is left to default is seen and named."""
        if self.plan.outdated:
            return  # a person has chosen otherwise meanwhile, and another look follows
        if plan.vpc.vpc_id != self.vpc.value:
            _show(self.vpc, plan.vpc.vpc_id)
            self._offer_within()
        for field, value in ((self.groups, plan.security_group_ids), (self.zones, plan.zones)):
            if not field.value:
                _show(field, value)
        zones = "1 billed zone" if plan.billed_zones == 1 else f"{plan.billed_zones} billed zones"
        self.create.button.description = _ADOPT if plan.existing else f"{_CREATE} ({zones})"
        self.force.box.layout.display = "" if plan.stops else "none"
        if not plan.stops:
            self.force.value = None
        self.plan.refresh()
        self.create.refresh()

    def _created(self, created: model.CreatedEndpoint) -> None:
        # What the plan would have made is there now.
        self.plan.outcome.value, self.create.button.description = "", _ADOPT
        self.rule.value = _rule(created.endpoint.authorization())
        self._desk.picture.see(created.endpoint)
        self._on_created(created.endpoint)


def _show(field: Field, value: object) -> None:
    """Show a value that the operation has chosen; what the pickers do not offer is left to it."""
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
    """Return the rule of the optional step Authorize, as fields to copy from."""
    return note(
        "Optional, where the cluster allows only some endpoints. In TiDB Cloud: My TiDB > the instance > "
        "Settings > Networking > Private Endpoint > Authorized Networks > Add Rule."
    ) + notes(
        (
            ("Endpoint Service Name", rule.service_name),
            ("Firewall Rule Name", rule.rule_name),
            ("Your Endpoint ID", rule.endpoint_id),
        )
    )


def _here(networks: model.Networks, vpc: model.Vpc) -> str:
    return " · this notebook" if networks.is_here(vpc) else ""


def _unusable(networks: model.Networks) -> str:
    """Return the VPCs in which the endpoint cannot be made, each with its reason."""
    obstacles = [(vpc, networks.vpc_obstacle(vpc)) for vpc in networks.vpcs]
    reasons = tuple(
        Mark("no", f"VPC {vpc.name or vpc.vpc_id}: {obstacle}.") for vpc, obstacle in obstacles if obstacle
    )
    usable = len(obstacles) - len(reasons)
    return as_html(View(title=f"{usable} of {len(obstacles)} VPCs can hold the endpoint", notes=reasons))
