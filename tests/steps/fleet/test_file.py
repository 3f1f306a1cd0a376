"""A fleet's file: its valid contents, and an error that lists every mistake at once."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidb_pe_magic import Runbook
from tidb_pe_magic.commands.requests import PlanRequest, ZoneChoice
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.steps.fleet.file import read, write_template

if TYPE_CHECKING:
    from pathlib import Path

    from tidb_pe_magic.steps.fleet.file import Entry


def refused(tmp_path: Path, text: str) -> str:
    """Return why a file with this text is refused."""
    path = tmp_path / "fleet.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRequest) as failure:
        read(str(path))
    assert failure.value.field == "FILE"
    assert "\n" not in str(failure.value)
    return failure.value.reason


def test_the_template_is_a_valid_file_and_never_overwrites(tmp_path: Path) -> None:
    """The file that init writes can be planned unchanged: one endpoint, and two clusters in two VPCs."""
    path = tmp_path / "fleet.toml"
    with Runbook(environ={}) as runbook:
        written = runbook.fleet("init", str(path))
    assert written.path == str(path)
    entries = read(str(path))
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert str(entries[0]) == "sales in vpc-t4nabc123"
    assert [str(entry) for entry in entries[1:]] == [
        f"{cluster} in {vpc}" for cluster in ("orders", "stock") for vpc in ("vpc-t4nabc123", "vpc-t4ndef456")
    ]
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidRequest, match="exists, and is never overwritten"):
        write_template(str(path))
    assert path.read_text(encoding="utf-8") == "mine"
    with pytest.raises(InvalidRequest, match="cannot be written: No such file or directory"):
        write_template(str(tmp_path / "nowhere" / "fleet.toml"))


def test_a_row_has_the_options_of_plan(tmp_path: Path) -> None:
    """Defaults apply where a row sets nothing; a single text means a list of one; names are patterns."""
    path = tmp_path / "fleet.toml"
    path.write_text(
        """
        [defaults]
        vpc = "vpc-1"
        zone = ["ap-southeast-1a=vsw-1", "ap-southeast-1b"]
        name = "{cluster}-{vpc}"
        [[endpoint]]
        cluster = "10430185274093617152"
        name = "own"
        [[endpoint]]
        cluster = "sales"
        vpc = "vpc-2"
        zone = "all"
        security_group = "sg-1"
        """,
        encoding="utf-8",
    )
    first, second = read(str(path))
    assert first.request == PlanRequest(
        cluster="10430185274093617152",
        vpc="vpc-1",
        zone=(ZoneChoice("ap-southeast-1a", "vsw-1"), ZoneChoice("ap-southeast-1b")),
        name="own",
    )
    assert second.request == PlanRequest(
        cluster="sales",
        vpc="vpc-2",
        zone=(ZoneChoice("all"),),
        security_group=("sg-1",),
        name="sales-vpc-2",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it has no [[endpoint]]"),
        ("[[endpoint]", "is not TOML: Expected"),
        ("x = 1", "x: is not known; there are defaults, endpoint"),
        ("endpoint = 1", "endpoint has to be [[endpoint]], a list of tables"),
        ("endpoint = [1]", "endpoint 1 has to be a table"),
        ("defaults = 1", "defaults has to be a table"),
        ("[[endpoint]]", "endpoint 1, cluster: is missing; endpoint 1, vpc: is missing"),
        ('[[endpoint]]\ncluster = "a"\nvpc = []', "endpoint 1, vpc: has to be a text in quotes, or a list"),
        ('[[endpoint]]\ncluster = 1\nvpc = "vpc-1"', "endpoint 1, cluster: has to be a text in quotes"),
        (
            '[[endpoint]]\ncluster = "a"\nvpc = "vpc_1"',
            "endpoint 1 (a in vpc_1), vpc: 'vpc_1' is not valid: a VPC ID looks like vpc-t4nabc123",
        ),
        (
            '[[endpoint]]\ncluster = "a"\nvpc = "vpc-1"\nname = ["b"]',
            "endpoint 1, name: has to be a text in quotes.",
        ),
        (
            '[[endpoint]]\ncluster = "a"\nvpc = "vpc-1"\nzone = ["all", "all"]',
            "endpoint 1 (a in vpc-1), zone: the same value is given twice",
        ),
        (
            '[[endpoint]]\ncluster = "a b"\nvpc = "vpc-1"\nname = "tidb-{cluster}"',
            "name: 'tidb-a b' is not valid: 2 to 128 letters",
        ),
        (
            '[[endpoint]]\ncluster = ["a", "a"]\nvpc = "vpc-1"',
            "endpoint 1 (a in vpc-1): the same cluster and VPC as endpoint 1",
        ),
        (
            '[[endpoint]]\ncluster = "a"\nvpc = "vpc-1"\n[[endpoint]]\ncluster = "a"\nvpc = "vpc-1"',
            "endpoint 2 (a in vpc-1): the same cluster and VPC as endpoint 1",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    """A mistake is reported with file, row, field and the valid values."""
    assert reason in refused(tmp_path, text)


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    """Three bad rows give three reasons; of a large number the first twenty are shown."""
    text = '[defaults]\nzones = "a"\n[[endpoint]]\nvpc = "vpc-1"\n[[endpoint]]\ncluster = "a"\nvpc = "x"'
    assert refused(tmp_path, text).count("; endpoint") == 2
    many = refused(tmp_path, '[[endpoint]]\nvpc = "vpc-1"\n' * 30)
    assert "endpoint 20, cluster: is missing; and 10 more." in many


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """A missing file, a directory and a binary file are refused with the reason."""
    missing = tmp_path / "fleet.toml"
    template = (
        rf"does not exist\. Write a template first\. Try: %tidb_pe fleet init {re.escape(str(missing))}$"
    )
    with pytest.raises(InvalidRequest, match=template):
        read(str(missing))
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read(str(tmp_path))
    (tmp_path / "latin").write_bytes("# Zürich".encode("latin-1"))
    with pytest.raises(InvalidRequest, match="is not valid UTF-8"):
        read(str(tmp_path / "latin"))


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_KEYS = st.sampled_from(("cluster", "vpc", "zone", "name", "security_group", "x"))
_LEAVES = st.sampled_from(("a", "vpc-1", "sg-1", "all", "")) | _TEXT | st.integers() | st.booleans()
_VALUES = _LEAVES | st.lists(_TEXT, max_size=3) | st.dictionaries(_KEYS, _LEAVES, max_size=2)


def in_toml(value: Any) -> str:
    """Write a value in one line of TOML, whose texts are JSON's."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {in_toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(in_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


_TABLES = st.dictionaries(_KEYS, _VALUES, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    document=st.fixed_dictionaries(
        {}, optional={"defaults": _TABLES, "endpoint": st.lists(_TABLES, max_size=3), "other": _VALUES}
    )
)
def test_any_document_is_read_or_refused_in_one_line(tmp_path: Path, document: dict[str, Any]) -> None:
    """Any TOML is read as a valid fleet or refused in one line."""
    path = tmp_path / "any.toml"
    text = "\n".join(f"{name} = {in_toml(value)}" for name, value in document.items())
    path.write_text(text, encoding="utf-8")
    refusal = ""
    entries: tuple[Entry, ...] = ()
    try:
        entries = read(str(path))
    except InvalidRequest as error:
        refusal = str(error)
    assert bool(entries) != refusal.startswith("FILE: ")
    assert "\n" not in refusal
    assert all(PlanRequest.of(**vars(entry.request)) == entry.request for entry in entries)
