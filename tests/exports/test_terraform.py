"""Terraform's configuration, compared with the API's answer and the provider's resource."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from alibabacloud_privatelink20200415 import models
from exports.cases import BLOCKED, CASES, DETAILED, PLANNED, existing, written
from exports.provider_schema import (
    ENDPOINT,
    NEVER_READ,
    REQUIRED,
    RULE,
    SCHEMA,
    VALUES,
    ZONE,
    arguments,
    tells,
)
from exports.terraform_text import only, read, terraforms_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.exports import hcl, terraform
from tidb_pe_magic.exports.attributes import ATTRIBUTES
from tidb_pe_magic.model import EndpointTag, EndpointZone
from tidb_pe_magic.text import is_visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exports.terraform_text import Parse

# The attributes of GetVpcEndpointAttribute, each with its argument or the resource's replacement.
TABLE = {
    "AddressIpVersion": "address_ip_version",
    "Bandwidth": "tells bandwidth",
    "ConnectionStatus": "tells connection_status",
    "CreateTime": "tells create_time",
    "CrossRegionBandwidth": "cross_region_bandwidth",
    "EndpointBusinessStatus": "tells endpoint_business_status",
    "EndpointDescription": "endpoint_description",
    "EndpointDomain": "tells endpoint_domain",
    "EndpointId": "import block",
    "EndpointName": "vpc_endpoint_name",
    "EndpointStatus": "tells status",
    "EndpointType": "endpoint_type",
    "Payer": "does not have it",
    "PolicyDocument": "policy_document",
    "ProtectedEnabled": "never read",
    "RegionId": "provider block",
    "RequestId": "belongs to the answer",
    "ResourceGroupId": "resource_group_id",
    "ResourceOwner": "does not have it",
    "ServiceId": "service_id",
    "ServiceName": "service_name",
    "ServiceRegionId": "service_region_id",
    "VpcId": "vpc_id",
    "ZoneAffinityEnabled": "does not have it",
    "ZonePrivateIpAddressCount": "zone_private_ip_address_count",
}
# Every complete character, more often those that start or end something in HCL.
TEXTS = st.text(
    st.sampled_from("\"\\${}%\n\r\t#'/*<~ \u202e\u2066\u0000\x1b\x7f\u2028é中🦀")
    | st.characters(codec="utf-8"),
    max_size=20,
)


# Texts chosen by a user or a cloud.
PLACES = ("name", "description", "key", "group", "zone", "cluster")


@pytest.fixture(scope="module")
def parse() -> Iterator[Parse]:
    """Provide Terraform's own parser."""
    with terraforms_parser() as parser:
        yield parser


def composed(text: str) -> str:
    """Return a text in Unicode's normal form C, as Terraform's strings have it."""
    return unicodedata.normalize("NFC", text)


def test_every_attribute_that_is_answered_has_its_argument_or_a_reason() -> None:
    """The SDK's model of the answer, the provider's schema and the table of attributes agree."""
    answer = models.GetVpcEndpointAttributeResponseBody()
    names = {name: "".join(part.title() for part in name.split("_")) for name in vars(answer)}
    assert set(names.values()) == set(TABLE) == {attribute.name for attribute in ATTRIBUTES}
    for attribute in ATTRIBUTES:
        expected = TABLE[attribute.name]
        if attribute.argument:
            assert (attribute.argument, attribute.why) == (expected, "")
            assert attribute.argument in arguments(ENDPOINT) - NEVER_READ[ENDPOINT]
        else:
            assert expected.split()[-1] in attribute.why
            if expected.startswith("tells "):
                assert expected.split()[-1] in tells(ENDPOINT)


def test_nothing_else_can_be_asked_of_the_resource() -> None:
    """All other arguments are groups and tags, from other operations, or are never read."""
    taken = {attribute.argument for attribute in ATTRIBUTES if attribute.argument}
    assert arguments(ENDPOINT) - taken == {"security_group_ids", "tags"} | NEVER_READ[ENDPOINT]


@pytest.mark.parametrize("case", CASES)
def test_a_resource_takes_every_argument_it_is_given(case: str) -> None:
    """The provider's schema has each argument, accepts its value, and misses no required one."""
    resources = [block for block in read(written(case, "terraform")) if block.words[0] == "resource"]
    assert resources
    for block in resources:
        kind = block.words[1]
        assert set(block.body) <= arguments(kind) | {"lifecycle"}
        assert {name for name, (_, by) in SCHEMA[kind].items() if by == REQUIRED} <= set(block.body)
        for name in block.body:
            assert (kind, name) not in VALUES or block.body[name] in VALUES[kind, name]


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case].existing])
def test_an_import_has_nothing_that_the_provider_never_reads(case: str) -> None:
    """An import omits arguments that the provider never reads, as each would be a change in every plan."""
    for kind in (ENDPOINT, ZONE):
        for block in read(written(case, "terraform")):
            if block.words[:2] == ("resource", kind):
                assert not set(block.body) & NEVER_READ[kind]


@pytest.mark.parametrize("case", CASES)
def test_a_text_is_as_terraform_formats_it(case: str, parse: Parse) -> None:
    """Terraform's own parser and python-hcl2 agree, and `terraform fmt` would change nothing."""
    text = written(case, "terraform")
    answer = parse(text)
    assert (answer["error"], answer["formatted"]) == ("", True)
    theirs = sorted(tuple(block["words"]) for block in answer["body"]["blocks"])
    assert theirs == sorted(block.words for block in read(text))


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case].existing])
def test_an_existing_endpoint_is_imported(case: str) -> None:
    """Only the endpoint and each of its zones have an import block, with the provider's ID."""
    text = written(case, "terraform")
    imports = {block.body["to"]: block.body["id"] for block in read(text) if block.words == ("import",)}
    assert imports == {
        f"${{{ENDPOINT}.tidb}}": "ep-t4nabc123",
        f"${{{ZONE}.zone_ap_southeast_1a}}": "ep-t4nabc123:ap-southeast-1a",
        f"${{{ZONE}.zone_ap_southeast_1b}}": "ep-t4nabc123:ap-southeast-1b",
    }


def test_a_planned_endpoint_is_not_imported_and_has_no_tag() -> None:
    """A planned endpoint has no import and no tag: it belongs to Terraform, and delete requires --adopted."""
    text = written("planned", "terraform")
    assert [block for block in read(text) if block.words == ("import",)] == []
    assert only(text, "resource", ENDPOINT) == {
        "service_name": PLANNED.plan.service.service_name,
        "vpc_id": "vpc-t4nabc123",
        "vpc_endpoint_name": "tidb-demo",
        "endpoint_type": "Interface",
        "security_group_ids": ["sg-t4nabc123"],
    }


def test_the_provider_gets_its_region_and_no_key() -> None:
    """The provider block has the region; keys stay in the user's environment."""
    text = written("existing", "terraform")
    assert only(text, "provider", "alicloud") == {"region": "ap-southeast-1"}
    assert only(text, "terraform") == {
        "required_version": ">= 1.5",
        "required_providers": [{"alicloud": {"source": "aliyun/alicloud", "version": "~> 1.282"}}],
    }


def test_unknown_values_are_left_alone() -> None:
    """Groups and tags that could not be read are listed under `ignore_changes`."""
    body = only(written("existing-hidden", "terraform"), "resource", ENDPOINT)
    assert not {"security_group_ids", "tags"} & set(body)
    assert body["lifecycle"] == [{"ignore_changes": ["security_group_ids", "tags"]}]
    assert "lifecycle" not in only(written("existing", "terraform"), "resource", ENDPOINT)


def test_a_zone_that_is_leaving_is_left_out_and_said() -> None:
    """A zone that is being removed is omitted from the text, with a note."""
    first, second = DETAILED.zones
    leaving = replace(DETAILED, zones=(first, replace(second, status="Deleting")))
    written_ = terraform.write(existing(leaving))
    assert [block.words[2] for block in read(written_.text) if block.words[:2] == ("resource", ZONE)] == [
        "zone_ap_southeast_1b"
    ]
    assert any("ap-southeast-1a" in warning for warning in written_.warnings)
    assert "# - omitted: zone ap-southeast-1a" in written_.text


def test_zones_of_one_label_stay_apart() -> None:
    """Whatever labels a cloud gives its zones, each block occurs once."""
    zones = tuple(EndpointZone(zone_id=zone, vswitch_id="vsw-1") for zone in ("a-1", "a.1", "a_1"))
    blocks = read(terraform.write(existing(replace(DETAILED, zones=zones))).text)
    labels = [block.words[2] for block in blocks if block.words[:2] == ("resource", ZONE)]
    assert len(set(labels)) == len(labels) == 3
    imports = {block.body["to"] for block in blocks if block.words == ("import",)}
    assert {f"${{{ZONE}.{label}}}" for label in labels} <= imports


def test_the_missing_rule_allows_this_notebook_only() -> None:
    """The missing rule allows one port from one address; an unknown address becomes a required variable."""
    rule = only(written("planned-blocked", "terraform"), "resource", RULE)
    assert (rule["port_range"], rule["cidr_ip"], rule["type"]) == ("4000/4000", "10.0.1.5/32", "ingress")
    assert (rule["policy"], rule["ip_protocol"], rule["priority"]) == ("accept", "tcp", 1)
    hidden = written("existing-hidden", "terraform")
    assert only(hidden, "resource", RULE)["cidr_ip"] == "${var.notebook_cidr}"
    assert "default" not in only(hidden, "variable", "notebook_cidr")
    assert RULE not in written("existing", "terraform")


def test_a_blocked_port_that_no_rule_opens_is_reported() -> None:
    """If a Drop rule blocks the port whatever is added, the text has no rule and says why."""
    blocked = existing(DETAILED, replace(BLOCKED, rule=None))
    text = terraform.write(blocked)
    assert RULE not in text.text
    assert any("a Drop rule overrides any" in warning for warning in text.warnings)


@settings(deadline=None, max_examples=100)
@given(text=TEXTS)
def test_any_text_survives_as_a_string(parse: Parse, text: str) -> None:
    """Terraform's own parser returns any text as one string, and every character of it is visible."""
    literal = hcl.string(text)
    assert is_visible(literal)
    answer = parse(f"value = {literal}\n")
    assert answer["error"] == ""
    assert answer["body"]["arguments"]["value"] == composed(text)


@settings(deadline=None, max_examples=60)
@given(texts=st.fixed_dictionaries(dict.fromkeys(PLACES, TEXTS)))
def test_no_name_breaks_out_of_its_place(parse: Parse, texts: dict[str, str]) -> None:
    """Whatever names, tags and IDs contain, the blocks are the same, and each value is in its place."""
    name, description, group = (composed(texts[place]) for place in ("name", "description", "group"))
    endpoint = replace(
        DETAILED,
        name=name,
        tags=(EndpointTag(key=texts["key"], value=name),),
        security_group_ids=(group,),
        zones=(EndpointZone(zone_id=texts["zone"], vswitch_id=name),),
        attributes=replace(DETAILED.attributes, description=description),
    )
    source = existing(endpoint, replace(BLOCKED, summary=description))
    plan = replace(source.plan, cluster=replace(source.plan.cluster, display_name=texts["cluster"]))
    answer = parse(terraform.write(replace(source, plan=plan)).text + "\n")
    assert answer["error"] == ""
    words = [" ".join(block["words"][:2]) for block in answer["body"]["blocks"]]
    assert words == [
        "terraform",
        "provider alicloud",
        "import",
        f"resource {ENDPOINT}",
        "import",
        f"resource {ZONE}",
        f"resource {RULE}",
        *("output endpoint_id", "output host", "output connection_status"),
    ]
    made = answer["body"]["blocks"][3]["arguments"]
    assert made["vpc_endpoint_name"] == name
    assert made["endpoint_description"] == description
    assert made["security_group_ids"] == [group]


def test_half_a_character_is_refused() -> None:
    """An incomplete character, which a file cannot contain, is refused."""
    with pytest.raises(InvalidRequest, match="half of a surrogate pair"):
        terraform.write(existing(replace(DETAILED, name="half \ud800")))


def test_a_comment_cannot_be_left() -> None:
    """A line feed in a name does not start a new line of a comment."""
    source = replace(PLANNED, origins=replace(PLANNED.origins, vpc="--vpc"))
    plan = replace(
        source.plan, cluster=replace(source.plan.cluster, display_name='x\n}\nresource "a" "b" {}')
    )
    text = terraform.write(replace(source, plan=plan)).text
    assert not re.search(r'^resource "a"', text, re.MULTILINE)
