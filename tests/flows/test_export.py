"""`export` against the emulated clouds: existing and planned endpoints, and the files."""

from __future__ import annotations

import itertools
import os
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest
from alibabacloud_privatelink20200415 import models
from alibabacloud_privatelink20200415.client import Client
from alibabacloud_tea_openapi import utils_models
from darabonba.runtime import RuntimeOptions
from exports.stand_in import Call, run
from exports.terraform_text import only, read
from flows.places import GROUP, OTHER_VPC, VPC

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.exports.attributes import ATTRIBUTES
from tidb_pe_magic.model import EXPORT_FORMATS, Severity
from tidb_pe_magic.sandbox.alibaba.metadata import InstancePlace
from tidb_pe_magic.sandbox.alibaba.network_seed import Permission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tidb_pe_magic.sandbox import Sandbox

REGION = "ap-southeast-1"
ENDPOINT, ZONE = "alicloud_privatelink_vpc_endpoint", "alicloud_privatelink_vpc_endpoint_zone"
RULE = "alicloud_security_group_rule"
PLACE: dict[str, Any] = {"cluster": "demo", "vpc": VPC, "security_group": [GROUP]}
LOOK_UPS = (
    "privatelink:ListVpcEndpoints",
    "privatelink:ListVpcEndpointZones",
    "privatelink:ListVpcEndpointSecurityGroups",
    "privatelink:GetVpcEndpointAttribute",
    "ecs:DescribeSecurityGroupAttribute",
)


def sdk(sandbox: Sandbox) -> Client:
    """Return the official SDK's client for the embedded cloud."""
    environment = sandbox.environment()
    return Client(
        utils_models.Config(
            access_key_id=environment["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            access_key_secret=environment["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
            endpoint=environment["TIDB_PE_ALIBABA_ENDPOINT"].removeprefix("http://"),
            protocol="HTTP",
            region_id=REGION,
        )
    )


def answering(sandbox: Sandbox) -> Callable[[Call], Mapping[str, Any]]:
    """Return a function that answers the commands of a script as the clouds would."""
    client = sdk(sandbox)

    def answer(call: Call) -> Mapping[str, Any]:
        if call.product == "ecs":
            params = utils_models.Params(
                action=call.operation,
                version="2014-05-26",
                protocol="HTTP",
                method="POST",
                auth_type="AK",
                style="RPC",
                pathname="/",
                req_body_type="formData",
                body_type="json",
            )
            asked = utils_models.OpenApiRequest(query=call.fields)
            body: Mapping[str, Any] = client.call_api(params, asked, RuntimeOptions())["body"]
            return body
        request = getattr(models, f"{call.operation}Request")().from_map(call.fields)
        method = "".join(f"_{c.lower()}" if c.isupper() else c for c in call.operation).removeprefix("_")
        found: Mapping[str, Any] = getattr(client, method)(request).body.to_map()
        return found

    return answer


def test_terraform_names_every_attribute_that_is_answered(sandbox: Sandbox, runbook: Runbook) -> None:
    """The text contains every value of GetVpcEndpointAttribute that the resource accepts."""
    endpoint = runbook.create(**PLACE).endpoint
    request = models.GetVpcEndpointAttributeRequest(region_id=REGION, endpoint_id=endpoint.endpoint_id)
    answered = sdk(sandbox).get_vpc_endpoint_attribute(request).body.to_map()
    exported = runbook.export("terraform", cluster="demo", endpoint=endpoint.endpoint_id)
    assert exported.endpoint_id == endpoint.endpoint_id
    body = only(exported.text, "resource", ENDPOINT)
    arguments = {attribute.name: attribute.argument for attribute in ATTRIBUTES}
    assert set(answered) <= set(arguments)
    assert len(answered) > 15
    for name, value in answered.items():
        if arguments[name]:
            assert body[arguments[name]] == value, name
        elif name != "RequestId":
            assert (
                f"# - {name}: {str(value).lower() if isinstance(value, bool) else value}\n" in exported.text
            )
    assert body["security_group_ids"] == [GROUP]
    assert body["tags"] == {"created-by": "tidb_pe_magic"}


def test_terraform_imports_the_endpoint_and_its_zones(runbook: Runbook) -> None:
    """Each zone is imported with vSwitch and address, under the provider's ID."""
    runbook.create(**PLACE)
    endpoint = runbook.wait()
    text = str(runbook.export("terraform"))
    imported = {block.body["id"] for block in read(text) if block.words == ("import",)}
    ident = endpoint.endpoint_id
    assert imported == {ident, *(f"{ident}:{zone.zone_id}" for zone in endpoint.zones)}
    zones = [block.body for block in read(text) if block.words[:2] == ("resource", ZONE)]
    assert [(z["zone_id"], z["vswitch_id"], z["eni_ip"]) for z in zones] == [
        (zone.zone_id, zone.vswitch_id, zone.eni_ip) for zone in endpoint.zones
    ]


def test_the_same_is_written_each_time(sandbox: Sandbox, runbook: Runbook) -> None:
    """A plan and an endpoint each have one fixed text, without any change or key."""
    secrets = [value for key, value in sandbox.environment().items() if "KEY" in key or "PASSWORD" in key]
    assert secrets
    for name in EXPORT_FORMATS:
        planned, again = (str(runbook.export(name, **PLACE)) for _ in range(2))
        assert planned == again
        assert not any(secret in planned for secret in secrets)
    looked = ("Check", "List", "Describe", "Get")
    assert all(name.startswith(looked) for name in sandbox.requests.to("alibaba").operations)
    runbook.create(**PLACE)
    for name in EXPORT_FORMATS:
        existing, again = (str(runbook.export(name, **PLACE)) for _ in range(2))
        assert existing == again
        assert not any(secret in existing for secret in secrets)


def test_each_value_says_where_it_came_from(sandbox: Sandbox, runbook: Runbook) -> None:
    """A value from an option names the option; another value names the rule that chose it."""
    asked = str(runbook.export("terraform", **PLACE, zone=["ap-southeast-1a=vsw-t4na1"], name="reports"))
    for line in (
        r'vpc_id .*" +# --vpc$',
        r'vpc_endpoint_name .*"reports" +# --name$',
        r"security_group_ids .* # --security-group$",
        r'zone_id .*" # --zone$',
        r'vswitch_id .*" +# --zone$',
    ):
        assert re.search(line, asked, re.MULTILINE), line
    some = runbook.export("terraform", **PLACE, zone=["ap-southeast-1a=vsw-t4na1", "ap-southeast-1b"])
    assert "# --zone, else the one with the most free addresses\n" in some.text
    chosen = str(runbook.export("aliyun-cli", cluster="demo", security_group=[GROUP]))
    for origin in ("VpcId: this notebook's", "VSwitchId: the one with the most free addresses"):
        assert f"# - {origin}\n" in chosen
    sandbox.world.denied_actions = {"vpc:DescribeVSwitches"}
    assert "# - VSwitchId: this notebook's\n" in str(runbook.export("aliyun-cli", **PLACE))


def test_the_script_makes_one_endpoint_however_often_it_runs(
    sandbox: Sandbox, runbook: Runbook, tmp_path: Path
) -> None:
    """The commands create the planned endpoint and wait for Connected; the second run creates nothing."""
    planned = runbook.plan(**PLACE)
    script = str(runbook.export("aliyun-cli", **PLACE))
    for _ in range(2):
        done = run(script, answering(sandbox), tmp_path)
        assert (done.code, done.errors) == (0, "")
    (made,) = runbook.endpoints()
    assert made.ready
    assert not made.ours
    assert "created-by" not in str(runbook.export("terraform", **PLACE))
    assert (made.name, made.security_group_ids) == (planned.name, planned.security_group_ids)
    assert [(z.zone_id, z.vswitch_id) for z in made.zones] == [
        (z.zone_id, z.vswitch_id) for z in planned.zones
    ]


def test_the_script_reuses_an_endpoint_created_meanwhile(
    sandbox: Sandbox, runbook: Runbook, tmp_path: Path
) -> None:
    """The script reuses an endpoint that was created since the export, whatever its token."""
    script = str(runbook.export("aliyun-cli", **PLACE))
    made = runbook.create(**PLACE).endpoint
    done = run(script, answering(sandbox), tmp_path)
    assert (done.code, done.errors) == (0, "")
    assert list(sandbox.world.endpoints) == [made.endpoint_id]
    assert sandbox.requests.count("CreateVpcEndpoint", status=200) == 1


def test_the_scripts_rule_opens_the_port(lend: Callable[..., Sandbox], tmp_path: Path) -> None:
    """For a blocked port that stops the preflight, the script creates the missing rule."""
    sandbox = lend(scenario="security-group-blocks-port")
    with Runbook(environ=sandbox.environment()) as runbook:
        assert [finding.check for finding in runbook.plan(**PLACE).stops] == ["port"]
        place = sandbox.place
        assert isinstance(place, InstancePlace)
        body = only(str(runbook.export("terraform", **PLACE)), "resource", RULE)
        assert body["cidr_ip"] == f"{place.private_ip}/32"
        done = run(str(runbook.export("aliyun-cli", **PLACE)), answering(sandbox), tmp_path)
        assert (done.code, done.errors) == (0, "")
        plan = runbook.plan(**PLACE)
        assert plan.existing is not None
        assert [finding.severity for finding in plan.findings if finding.check == "port"] == [Severity.OK]
        assert RULE not in str(runbook.export("terraform", **PLACE))


def test_an_unknown_address_is_not_invented(sandbox: Sandbox, runbook: Runbook) -> None:
    """Outside an ECS instance, with no allowed address, the address is a required variable."""
    sandbox.place = None
    sandbox.world.set_rules(GROUP, Permission("22/22", "0.0.0.0/0"), inner_access="Drop")
    text = str(runbook.export("terraform", **PLACE))
    assert only(text, "resource", RULE)["cidr_ip"] == "${var.notebook_cidr}"
    assert "default" not in only(text, "variable", "notebook_cidr")
    assert '"$NOTEBOOK_CIDR"' in str(runbook.export("aliyun-cli", **PLACE))


def test_denied_values_are_omitted_and_reported(sandbox: Sandbox, runbook: Runbook) -> None:
    """The text and the result name a denied action, and the denied values are omitted."""
    endpoint_id = runbook.create(**PLACE).endpoint.endpoint_id
    for name, action in itertools.product(EXPORT_FORMATS, LOOK_UPS):
        sandbox.world.denied_actions = {action}
        exported = runbook.export(name, cluster="demo", endpoint=endpoint_id)
        assert any(action in warning for warning in exported.warnings)
        assert action in exported.text
        if name == "terraform":
            body = only(exported.text, "resource", ENDPOINT)
            ignored = [each for block in body.get("lifecycle", []) for each in block["ignore_changes"]]
            tags, groups = (action != LOOK_UPS[number] for number in (0, 2))
            assert ("tags" in body) == tags == ("tags" not in ignored)
            assert ("security_group_ids" in body) == groups == ("security_group_ids" not in ignored)


def test_an_endpoint_in_another_state_is_said(manual: Sandbox) -> None:
    """An endpoint in creation is exported with its state; one in deletion is refused in one line."""
    with Runbook(environ=manual.environment()) as runbook:
        endpoint_id = runbook.create(**PLACE).endpoint.endpoint_id
        exported = runbook.export("terraform", endpoint=endpoint_id)
        assert any("Creating, connection Disconnected" in warning for warning in exported.warnings)
        assert "# - EndpointStatus: Creating\n" in exported.text
        assert "--waiter" in str(runbook.export("aliyun-cli", endpoint=endpoint_id))
        manual.world.delete_endpoint(endpoint_id)
        with pytest.raises(errors.StepOrderError, match="is being deleted"):
            runbook.export("terraform", endpoint=endpoint_id)


@pytest.mark.parametrize("option", ["vpc", "security_group", "zone", "name"])
def test_an_endpoint_that_exists_is_not_placed(option: str) -> None:
    """An ID together with a location is refused before any cloud is asked."""
    place = {"vpc": OTHER_VPC, "security_group": GROUP, "zone": "ap-southeast-1a", "name": "tidb"}
    given: dict[str, Any] = {option: place[option]}
    label = option.replace("_", "-")
    with Runbook(environ={}) as runbook, pytest.raises(errors.InvalidRequest, match=f"--{label}"):
        runbook.export("terraform", cluster="demo", endpoint="ep-1", **given)


def test_with_a_wrong_clock_nothing_is_planned(lend: Callable[..., Sandbox]) -> None:
    """With a wrong clock, which hides the zones, one line gives the reason."""
    sandbox = lend(scenario="clock-skew")
    with (
        Runbook(environ=sandbox.environment()) as runbook,
        pytest.raises(errors.StepOrderError, match=r"a zone cannot be looked up: .*clock"),
    ):
        runbook.export("terraform", **PLACE)


# Files


def test_a_file_holds_the_text_and_is_written_again(runbook: Runbook, tmp_path: Path) -> None:
    """An unchanged export is replaced by the next one, also behind a link, without leftover files."""
    path = tmp_path / "main.tf"
    first = runbook.export("aliyun-cli", **PLACE, to=str(path))
    assert first.path == str(path)
    assert path.read_text(encoding="utf-8") == f"{first}\n"
    path.chmod(0o600)
    second = runbook.export("terraform", **PLACE, to=str(path))
    assert path.read_text(encoding="utf-8") == f"{second}\n" != f"{first}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    longest = tmp_path / ("x" * 250)
    assert runbook.export("terraform", **PLACE, to=str(longest)).path == str(longest)
    (link := tmp_path / "link.tf").symlink_to(path)
    assert runbook.export("aliyun-cli", **PLACE, to=str(link)).path == str(path.resolve())
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == f"{first}\n"


def test_a_foreign_file_is_not_replaced(sandbox: Sandbox, runbook: Runbook, tmp_path: Path) -> None:
    """A foreign file or an edited export is refused without --replace, before any cloud is asked."""
    path = tmp_path / "main.tf"
    for content in (
        b"# mine\n",
        b"",
        b"\xff\xfe",
        f"{runbook.export('terraform', **PLACE)}\n# and a line of mine\n".encode(),
    ):
        path.write_bytes(content)
        before = sandbox.requests.mark
        with pytest.raises(errors.InvalidRequest, match=r"--to: .*is not an unchanged export"):
            runbook.export("terraform", **PLACE, to=str(path))
        assert path.read_bytes() == content
        assert sandbox.requests.mark == before
    exported = runbook.export("terraform", **PLACE, to=str(path), replace=True)
    assert path.read_text(encoding="utf-8") == f"{exported}\n"


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A directory, a pipe and a missing directory are refused before any cloud is asked."""
    os.mkfifo(tmp_path / "pipe")
    for place, words in (
        (".", "not a regular file"),
        ("pipe", "not a regular file"),
        ("missing/main.tf", "the directory .*missing does not exist"),
        ("x" * 300, "cannot be written"),
        ("nul\0", "path of a file"),
    ):
        with Runbook(environ={}) as runbook, pytest.raises(errors.InvalidRequest, match=words):
            runbook.export("terraform", **PLACE, to=str(tmp_path / place), replace=True)
