"""Terraform itself reads the configurations: they are valid, and an import plans no change.

The provider is a small program that has the real one's schemas (`provider_schema`) and the clouds' answers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from clients import fetched
from exports.cases import CASES, DETAILED, written
from exports.provider_schema import (
    ENDPOINT,
    KEPT,
    NEVER_READ,
    OPTIONAL,
    READ_ONLY,
    REQUIRED,
    SCHEMA,
    STRING,
    ZONE,
)

from tidb_pe_magic.exports.attributes import ATTRIBUTES

_SECONDS = 120.0
pytestmark = pytest.mark.foreign


def _schema() -> dict[str, Any]:
    """Return the schemas as the provider reads them."""
    whole: dict[str, dict[str, tuple[Any, str]]] = {
        **{name: {**attributes, "id": (STRING, KEPT)} for name, attributes in SCHEMA.items()},
        "provider": {"region": (STRING, OPTIONAL)},
    }
    return {
        resource: {
            name: {
                "type": kind,
                "required": decided == REQUIRED,
                "optional": decided in {OPTIONAL, KEPT},
                "computed": decided in {KEPT, READ_ONLY},
            }
            for name, (kind, decided) in attributes.items()
        }
        for resource, attributes in whole.items()
    }


def _answers() -> dict[str, Any]:
    """Return the provider's data about the endpoint and its zones, by import ID."""
    by_argument = {each.argument or each.name: each.read(DETAILED) for each in ATTRIBUTES}
    told = {
        "bandwidth": "Bandwidth",
        "connection_status": "ConnectionStatus",
        "create_time": "CreateTime",
        "endpoint_business_status": "EndpointBusinessStatus",
        "endpoint_domain": "EndpointDomain",
        "region_id": "RegionId",
        "status": "EndpointStatus",
    }
    endpoint: dict[str, Any] = {
        name: by_argument.get(told.get(name, name)) for name in SCHEMA[ENDPOINT].keys() - NEVER_READ[ENDPOINT]
    }
    endpoint |= {
        "id": DETAILED.endpoint_id,
        "security_group_ids": list(DETAILED.security_group_ids),
        "tags": {tag.key: tag.value for tag in DETAILED.tags},
    }
    zones = {
        f"{DETAILED.endpoint_id}:{zone.zone_id}": {
            "id": f"{DETAILED.endpoint_id}:{zone.zone_id}",
            "endpoint_id": DETAILED.endpoint_id,
            "zone_id": zone.zone_id,
            "vswitch_id": zone.vswitch_id,
            "eni_ip": zone.eni_ip,
            "region_id": DETAILED.region_id,
            "status": zone.status,
        }
        for zone in DETAILED.zones
    }
    return {ENDPOINT: {DETAILED.endpoint_id: endpoint}, ZONE: zones}


def terraform(place: Path, configuration: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Terraform on the configuration, with the test provider in the real one's place."""
    program = shutil.which("terraform")
    if program is None:  # Not packaged in Debian, so it cannot be installed here.
        pytest.skip("terraform is not installed")
    directory = fetched.terraform_provider(Path(__file__).with_name("provider.go"))
    (place / "main.tf").write_text(configuration, encoding="utf-8")
    (place / "facts.json").write_text(json.dumps({"schema": _schema(), "answers": _answers()}))
    override = f'"aliyun/alicloud" = {json.dumps(str(directory))}'
    (place / "terraform.rc").write_text(
        f"provider_installation {{\n  dev_overrides {{\n    {override}\n  }}\n}}\n"
    )
    environment = os.environ | {
        "TF_CLI_CONFIG_FILE": str(place / "terraform.rc"),
        "PROVIDER_FACTS": str(place / "facts.json"),
        "CHECKPOINT_DISABLE": "1",
        "TF_VAR_notebook_cidr": "10.0.1.5/32",
    }
    return subprocess.run(
        [program, *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("case", CASES)
def test_terraform_finds_a_configuration_valid(case: str, tmp_path: Path) -> None:
    """Terraform accepts every argument, type and reference of a configuration."""
    done = terraform(tmp_path, written(case, "terraform"), "validate", "-json")
    report = json.loads(done.stdout)
    assert (report["valid"], report["error_count"]) == (True, 0), done.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("vpc_id ", "vpc_identifier "), (".tidb.endpoint_domain", ".tidb.payer"), ("= 1 ", '= "one" ')],
)
def test_terraform_finds_errors(right: str, wrong: str, tmp_path: Path) -> None:
    """An unknown argument, an attribute that the resource lacks, and a wrong type are errors."""
    text = written("existing", "terraform")
    assert right in text
    done = terraform(tmp_path, text.replace(right, wrong), "validate", "-json")
    assert not json.loads(done.stdout)["valid"]


def planned(place: Path, configuration: str) -> dict[str, int]:
    """Return how many resources the plan would import, add, change and destroy."""
    done = terraform(place, configuration, "plan", "-json", "-input=false")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (changes,) = (line["changes"] for line in lines if line["type"] == "change_summary")
    return {name: changes[name] for name in ("import", "add", "change", "remove")}


def test_an_import_leaves_nothing_to_change(tmp_path: Path) -> None:
    """The plan imports the endpoint and its zones, and ends with 0 to add, 0 to change, 0 to destroy."""
    text = written("existing", "terraform")
    assert planned(tmp_path, text) == {"import": 3, "add": 0, "change": 0, "remove": 0}
    never_read = text.replace("  vpc_id ", "  protected_enabled = false\n  vpc_id ", 1)
    assert planned(tmp_path, never_read)["change"] == 1


def test_a_plan_adds_the_endpoint_its_zones_and_the_missing_rule(tmp_path: Path) -> None:
    """The plan adds only the endpoint, its zones and the missing rule."""
    text = written("planned-blocked", "terraform")
    assert planned(tmp_path, text) == {"import": 0, "add": 4, "change": 0, "remove": 0}
