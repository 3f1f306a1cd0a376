"""Results as plain data: complete, stable, and without secrets."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.results import CLUSTER, CONNECTION, PLAN, RESULTS, hostile

from tidb_pe_magic.advice import Advice, Suggestion, console
from tidb_pe_magic.credentials.secrets import Key, Secret
from tidb_pe_magic.display.as_json import plain
from tidb_pe_magic.model import Diagnosis, EndpointStatus, Finding, Severity

_patient = settings(
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.parametrize("kind", RESULTS)
@_patient
@given(data=st.data())
def test_every_result_is_json_and_back(kind: type, data: st.DataObject) -> None:
    """JSON writes and reads back every result, with each field by its own name."""
    result = data.draw(hostile(kind))
    form = plain(result)
    assert json.loads(json.dumps(form)) == form
    fields = {field.name for field in dataclasses.fields(kind) if field.metadata.get("plain", True)}
    assert fields <= set(form)


def test_derived_properties_accompany_the_fields() -> None:
    """Derived properties, including inherited ones, are part of the data."""
    assert plain(CLUSTER)["restriction"] is None
    aws = plain(dataclasses.replace(CLUSTER, provider="aws"))
    assert aws["restriction"]["name"] == "provider"
    assert plain(PLAN)["billed_zones"] == 2


def test_a_command_is_written_for_the_skin_and_a_text_is_exact() -> None:
    """Commands are data until a skin writes them; texts are not searched for commands."""
    advice = Advice("Wait.", Suggestion("wait", "--endpoint", "ep 1"))
    finding = Finding(check="%tidb_pe", severity=Severity.WARN, summary="%tidb_pe plan", advice=advice)
    diagnosis = Diagnosis(host="%tidb_pe", port=4000, stages=(), next_command=Suggestion("wait"))
    form = plain([finding, diagnosis], console)
    assert (form[0]["check"], form[0]["summary"]) == ("%tidb_pe", "%tidb_pe plan")
    assert form[0]["advice"] == {"text": "Wait.", "commands": ["tidb-pe wait --endpoint 'ep 1'"]}
    assert (form[1]["host"], form[1]["next_command"]) == ("%tidb_pe", "tidb-pe wait")


def test_an_engine_is_not_data() -> None:
    """Only fields whose metadata says so are omitted: an engine, and how a result is shown."""
    missing = {field.name for field in dataclasses.fields(CONNECTION)} - set(plain(CONNECTION))
    assert missing == {"engine", "operate", "verbose", "emulated"}


def test_a_secret_stays_one() -> None:
    """Every secret is replaced by three stars."""
    form = plain({"key": Key("public", Secret("hunter2")), "more": [Secret("hunter2")]})
    assert form == {"key": {"public": "public", "private": "***", "token": None}, "more": ["***"]}


def test_a_state_is_its_word() -> None:
    """An enum becomes plain text, as the cloud writes it."""
    form = plain(EndpointStatus.ACTIVE)
    assert (type(form), form) == (str, "Active")


@pytest.mark.parametrize("thing", [object(), {1, 2}, b"bytes", type(CLUSTER)])
def test_a_value_without_a_plain_form_is_an_error(thing: Any) -> None:
    """A value of a new type is an error, instead of being written in some form."""
    with pytest.raises(TypeError, match="no plain form"):
        plain([thing])
