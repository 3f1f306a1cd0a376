"""The form over clouds in which the preflight stops the creation of an endpoint."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from flows.places import GROUP
from flows.test_preflight import STOPS
from support.clicker import words

from tidb_pe_magic.sandbox.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.clicker import Clicker

    from tidb_pe_magic.sandbox import Sandbox


@pytest.mark.parametrize("name", STOPS)
def test_a_preflight_stop(lend: Callable[..., Sandbox], open_form: Callable[..., Clicker], name: str) -> None:
    """The plan names the failed check, Create is disabled, and the form shows how to force it."""
    sandbox = lend(scenario=name)
    clicker = open_form(sandbox, cluster="demo")
    step, check = clicker.form.create, SCENARIOS[name].plan
    if sandbox.world.endpoints:  # The form continues with it.
        clicker.click(clicker.head("create"))
    if check != "clock":  # Lookups fail there, so no security group can be chosen.
        clicker.put(step.groups, (GROUP,))
    found = words(step.plan.outcome)
    assert "create refuses" in found
    assert re.search(rf"✘ {check}: \S", found)
    assert step.create.button.disabled
    assert step.force.box.layout.display != "none"
    assert not step.force.value
    clicker.put(step.force, value=True)
    assert not step.create.button.disabled
    clicker.put(step.force, value=False)
    assert step.create.button.disabled
    # Before the group was chosen, a plan without a stop and the cloud's dry run of it may have existed.
    assert sandbox.requests.count("CreateVpcEndpoint", status=200) == 0
