"""The README says what the product does: its table, its commands and its examples."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from programs.pictures import IMAGES, MOST_BYTES, SCENES

from tidb_pe_magic.commands.parse import Command, parse
from tidb_pe_magic.commands.table import OPERATIONS, Skin
from tidb_pe_magic.commands.words import words
from tidb_pe_magic.steps.fleet.file import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidb_pe_magic.sandbox import Sandbox

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
# What stands for an ID in the README, as an ID.
ELLIPSIS = {"vpc-…": "vpc-1", "sg-…": "sg-1", "ENDPOINT_ID": "ep-1"}


def reference() -> str:
    """Return the table of commands, as the README has to have it."""
    rows = ["| command | tutorial | what it does |", "|---|---|---|"]
    for operation in OPERATIONS.values():
        request = operation.request
        words = [operation.name]
        for field in fields(request):
            if request.options()[field.name].positional:
                label = request.label(field.name)
                words.append((label if field.default is MISSING else f"[{label}]").replace("|", "\\|"))
        command = " ".join(words)
        rows.append(f"| `{command}` | {operation.tutorial or '-'} | {operation.summary} |")
    return "\n".join(rows)


def test_the_table_of_commands_is_the_products() -> None:
    """The README's table is made from the table of operations."""
    written = README.partition("<!-- commands -->")[2].partition("<!-- /commands -->")[0].strip()
    assert written == reference()


def test_every_picture_is_made_by_a_scene() -> None:
    """`make pictures` makes each image that there is; the README's are among them, with words for them."""
    assert {path.stem for path in IMAGES.iterdir()} == set(SCENES)
    assert all(path.stat().st_size <= MOST_BYTES for path in IMAGES.iterdir())
    shown = re.findall(r"!\[([^\]]*)\]\(notebooks/images/([^)]*)\.png\)", README)
    assert shown
    assert all(words and name in SCENES for words, name in shown)


def test_the_fleet_in_the_text_is_a_valid_file(tmp_path: Path) -> None:
    """Its rows are those that the text promises: each cluster in each VPC, and one more."""
    (block,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "fleet.toml"
    path.write_text(block, encoding="utf-8")
    assert [str(entry).split(" in ")[0] for entry in read(str(path))] == [
        "sales",
        "sales",
        "orders",
        "orders",
        "archive",
    ]


def _commands() -> list[str]:
    lines = re.findall(r"(?<!%)%tidb_pe ((?!-h|form|sandbox|COMMAND)[a-z][^`\n]*)", README)
    return [line.strip().rstrip(".") for line in lines]


@pytest.mark.parametrize("line", _commands())
def test_every_command_in_the_text_can_be_typed(line: str) -> None:
    """What the README shows as a command is one, with flags that exist."""
    for shown, typed in ELLIPSIS.items():
        line = line.replace(shown, typed)
    line = re.sub(r" --vpc \S*$", "", line)
    assert isinstance(parse(words(line), prog="%tidb_pe", skin=Skin.LINE), Command)


def test_the_cells_of_sql_can_be_typed() -> None:
    """The first line of each cell of SQL is one, but for --into, which is the magic's own."""
    lines = re.findall(r"^%%tidb_pe (.*)$", README, re.MULTILINE)
    assert lines
    for line in lines:
        typed = re.sub(r"--into \w+", "", line)
        assert isinstance(
            parse(words(f"query SQL {typed.removeprefix('query')}"), prog="%%tidb_pe", skin=Skin.CELL),
            Command,
        )


def test_the_python_example_runs(tidb_pe_sandbox: Sandbox, tidb_pe_environment: Mapping[str, str]) -> None:
    """It runs as it stands, with IDs in the place of the dots; the tests are run by test_pytest_plugin."""
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (example,) = (each for each in examples if "def test_" not in each)
    assert tidb_pe_environment
    code = example.replace("vpc-…", "vpc-t4nanalytics0k3m7x").replace("sg-…", "sg-t4nanalytics")
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - our own text
    assert len(names["frame"]) == 500
    assert tidb_pe_sandbox.requests.of("CreateVpcEndpoint", status=200)


def test_security_names_tests_that_exist() -> None:
    """Each promise of SECURITY.md points at files that are there."""
    root = Path(__file__).parents[2]
    named = re.findall(r"`(tests/[^`]+)`", (root / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [name for name in named if not (root / name).is_file()] == []
    assert "(SECURITY.md)" in README
