"""The exported script: its effect in a real shell, and whether its parameters match the API."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from alibabacloud_privatelink20200415 import models
from exports.cases import BLOCKED, CASES, DETAILED, PLANNED, existing, written
from exports.cli_metadata import METADATA
from exports.stand_in import Call, run
from hypothesis import given, settings
from hypothesis import strategies as st

from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.exports import aliyun_cli
from tidb_pe_magic.exports.shell import quote
from tidb_pe_magic.model import EndpointTag
from tidb_pe_magic.text import is_visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

READS = ["GetVpcEndpointAttribute", "ListVpcEndpointZones", "ListVpcEndpointSecurityGroups"]
# The used parameters of AuthorizeSecurityGroup (Alibaba Cloud API reference, ECS 2014-05-26).
RULE = {
    "RegionId": "ap-southeast-1",
    "SecurityGroupId": "sg-t4nabc123",
    "Policy": "Accept",
    "Priority": "1",
    "IpProtocol": "TCP",
    "PortRange": "4000/4000",
    "Description": "Notebook to TiDB Cloud (preflight: port)",
    "SourceCidrIp": "10.0.1.5/32",
}
# Every character that an argument can have, more often those with a meaning in a shell.
TEXTS = st.text(
    st.sampled_from("'\"\\$`!*?[]{}()<>|&;#~=% \t\n\r\u202e\u2066\x1b\x7f\u2028é中🦀")
    | st.characters(codec="utf-8", min_codepoint=1),
    max_size=20,
).filter(lambda text: not text.endswith("\n"))


def answer(call: Call) -> Mapping[str, Any]:
    """Answer the script's queries as if nothing exists yet."""
    assert call.product in {"ecs", "privatelink"}
    if call.operation == "ListVpcEndpoints":
        return {"Endpoints": []}
    return {"EndpointId": "ep-t4nnew1", "ConnectionStatus": "Connected"}


def ran(case: str, place: Path) -> list[Call]:
    """Run the script of a case, check that it succeeds, and return its calls."""
    done = run(written(case, "aliyun-cli"), answer, place, NOTEBOOK_CIDR="10.0.1.5/32")
    assert (done.code, done.errors) == (0, "")
    return done.calls


@pytest.mark.parametrize("case", CASES)
def test_every_parameter_is_the_apis(case: str, tmp_path: Path) -> None:
    """The official SDK's request has each parameter under its wire name, and loses none."""
    calls = ran(case, tmp_path)
    assert calls
    for call in calls:
        assert call.options["region"] == ("ap-southeast-1",)
        if call.product == "ecs":
            assert (call.operation, call.fields) == ("AuthorizeSecurityGroup", RULE)
        else:
            request = getattr(models, f"{call.operation}Request")().from_map(call.fields)
            # The SDK writes an empty list for each parameter that is not given.
            assert {name: value for name, value in request.to_map().items() if value != []} == call.fields
            assert request.region_id == "ap-southeast-1"


@pytest.mark.parametrize(
    ("operation", "flag"),
    [
        (("ecs", "AuthorizeSecurityGroup"), "Permissions.1.Policy"),
        (("privatelink", "CreateVpcEndpoint"), "Zone.1.Zone"),
        (("privatelink", "CreateVpcEndpoint"), "Zone"),
        (("privatelink", "ListVpcEndpoints"), "Tag.1.Key"),
        (("privatelink", "GetVpcEndpointAttribute"), "Endpoint"),
    ],
)
def test_the_stand_in_refuses_what_the_cli_refuses(operation: tuple[str, str], flag: str) -> None:
    """A member of an Array, an unknown member, a list without a number and an unknown flag are refused."""
    parameters = METADATA[operation]
    assert parameters.refusal({*parameters.required, "region"}) == ""
    assert flag in parameters.refusal({*parameters.required, flag})
    assert "required" in parameters.refusal(set())


def test_a_plan_is_carried_out_and_waited_for(tmp_path: Path) -> None:
    """Existing resources are shown.

    The endpoint is created with the plan's token and waited for by its ID.
    """
    shown, made, waited, zones = ran("planned", tmp_path)
    assert shown.operation == "ListVpcEndpoints"
    assert made.operation == "CreateVpcEndpoint"
    assert made.fields == {
        "RegionId": "ap-southeast-1",
        "ServiceName": PLANNED.plan.service.service_name,
        "VpcId": "vpc-t4nabc123",
        "EndpointType": "Interface",
        "EndpointName": "tidb-demo",
        "SecurityGroupId": ["sg-t4nabc123"],
        "Zone": [
            {"ZoneId": "ap-southeast-1a", "VSwitchId": "vsw-a"},
            {"ZoneId": "ap-southeast-1b", "VSwitchId": "vsw-b"},
        ],
        "ClientToken": PLANNED.token,
    }
    assert waited.waits_for == ("ConnectionStatus", "Connected")
    assert waited.fields["EndpointId"] == zones.fields["EndpointId"] == "ep-t4nnew1"
    assert zones.operation == "ListVpcEndpointZones"


def test_a_missing_rule_comes_first(tmp_path: Path) -> None:
    """A missing rule is created before the endpoint that needs it."""
    operations = [call.operation for call in ran("planned-blocked", tmp_path)]
    assert operations[:2] == ["AuthorizeSecurityGroup", "ListVpcEndpoints"]


def test_an_existing_endpoint_is_only_shown(tmp_path: Path) -> None:
    """The script of an existing endpoint changes nothing except a missing rule."""
    assert [call.operation for call in ran("existing", tmp_path)] == READS


def test_an_unconnected_endpoint_is_waited_for_at_the_end(tmp_path: Path) -> None:
    """Everything is shown before a wait that may take minutes."""
    calls = ran("existing-hidden", tmp_path)
    assert [call.operation for call in calls] == ["AuthorizeSecurityGroup", *READS, READS[0]]
    assert [call.waits_for for call in calls if call.waits_for] == [("ConnectionStatus", "Connected")]


def test_an_address_that_is_not_known_is_asked_for(tmp_path: Path) -> None:
    """Without the address variable the script exits before its first command, and says what is missing."""
    done = run(written("existing-hidden", "aliyun-cli"), answer, tmp_path)
    assert done.code != 0
    assert "NOTEBOOK_CIDR" in done.errors
    assert done.calls == []


def test_a_failure_ends_the_script(tmp_path: Path) -> None:
    """The script does not wait for an endpoint whose creation failed."""

    def refuse(call: Call) -> Mapping[str, Any]:
        if call.operation == "CreateVpcEndpoint":
            raise LookupError("QuotaExceeded")
        return {}

    done = run(written("planned", "aliyun-cli"), refuse, tmp_path)
    assert done.code != 0
    assert "QuotaExceeded" in done.errors
    assert [call.operation for call in done.calls] == ["ListVpcEndpoints", "CreateVpcEndpoint"]


def test_an_answer_without_an_endpoint_ends_the_script(tmp_path: Path) -> None:
    """After an answer without an endpoint ID the script runs no further command."""
    done = run(written("planned", "aliyun-cli"), lambda _: {}, tmp_path)
    assert done.code == 1
    assert "contains no endpoint" in done.errors
    assert [call.operation for call in done.calls] == ["ListVpcEndpoints", "CreateVpcEndpoint"]


@settings(deadline=None, max_examples=100)
@given(text=TEXTS)
def test_any_text_survives_as_a_word(text: str) -> None:
    """A real shell returns any text unchanged and unexpanded, and every character of it is visible."""
    word = quote(text)
    assert is_visible(word)
    done = subprocess.run(["sh", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert done.stdout.decode() == text


@settings(deadline=None, max_examples=8)
@given(name=TEXTS, other=TEXTS)
def test_no_name_breaks_out_of_its_place(
    tmp_path_factory: pytest.TempPathFactory, name: str, other: str
) -> None:
    """Whatever names, tags and IDs contain, the same commands are called."""
    endpoint = replace(
        DETAILED,
        name=name,
        tags=(EndpointTag(key=name, value=other),),
        zones=(replace(DETAILED.zones[0], zone_id=other, vswitch_id=name),),
        attributes=replace(DETAILED.attributes, description=other, policy_document=name),
    )
    found = existing(endpoint, replace(BLOCKED, summary=name))
    plan = replace(
        PLANNED.plan,
        name=name,
        zones=(replace(PLANNED.plan.zones[0], vswitch_id=other),),
        cluster=replace(PLANNED.plan.cluster, display_name=other),
    )
    place = tmp_path_factory.mktemp("stand-in")
    shown = run(aliyun_cli.write(found).text, answer, place)
    assert [call.operation for call in shown.calls] == ["AuthorizeSecurityGroup", *READS]
    made = run(aliyun_cli.write(replace(PLANNED, plan=plan)).text, answer, place)
    creation = made.calls[1].fields
    assert (creation["EndpointName"], creation["Zone"][0]["VSwitchId"]) == (name, other)
    assert len(made.calls) == 4
    assert shown.code == made.code == 0


@pytest.mark.parametrize("text", ["half \ud800", "with\0nul", "ends\n"])
def test_text_that_cannot_be_an_argument_is_refused(text: str) -> None:
    """Text that cannot be an argument is refused, so that a shell changes nothing."""
    plan = replace(PLANNED.plan, name=text)
    with pytest.raises(InvalidRequest):
        aliyun_cli.write(replace(PLANNED, plan=plan))
