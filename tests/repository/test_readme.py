"""The README matches the product: its commands, its links and its pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from programs.pictures import IMAGES, MOST_BYTES, SCENES

from tidb_pe_magic.commands.parse import Command, parse
from tidb_pe_magic.commands.table import OPERATIONS, Skin
from tidb_pe_magic.commands.words import words

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HELP = ROOT / "tidb_pe_magic" / "help"
# Valid IDs for the README's placeholders.
ELLIPSIS = {"vpc-…": "vpc-1", "sg-…": "sg-1", "ENDPOINT_ID": "ep-1"}


def test_the_commands_of_the_table_exist() -> None:
    """The commands of the table exist: commands to connect, ask and clean up, and a jupysql cell."""
    (table,) = re.findall(r"\| to \| use \|\n(.*?)\n\n", README, re.DOTALL)
    named = re.findall(r"`([^`]+)`", table)
    assert len(named) == len(set(named)) >= 9
    assert set(named) - {"%%sql"} <= set(OPERATIONS)


def test_every_page_that_is_linked_exists() -> None:
    """Links lead to existing files, and every help page is reachable from the README."""
    linked = set(re.findall(r"\]\((?!https?:|#)([^)#]+)\)", README))
    assert [name for name in linked if not (ROOT / name).is_file()] == []
    pages = {f"tidb_pe_magic/help/{path.name}" for path in HELP.glob("*.md")}
    assert pages - linked == set()


def test_it_fits_on_five_screens() -> None:
    """A newcomer can read the README in five minutes; longer text has a page of its own."""
    assert len(README.split()) <= 1300


def test_every_picture_has_a_scene() -> None:
    """`make pictures` creates every image, including the README's, which have alternative text."""
    assert {path.stem for path in IMAGES.iterdir()} == set(SCENES)
    assert all(path.stat().st_size <= MOST_BYTES for path in IMAGES.iterdir())
    shown = re.findall(r"!\[([^\]]*)\]\(notebooks/images/([^)]*)\.png\)", README)
    assert shown
    assert all(words and name in SCENES for words, name in shown)


def _commands() -> list[str]:
    lines = re.findall(r"(?<!%)%tidb_pe ((?!-h|form|sandbox|COMMAND)[a-z][^`\n]*)", README)
    return [line.strip().rstrip(".") for line in lines]


@pytest.mark.parametrize("line", _commands())
def test_every_command_in_the_text_can_be_typed(line: str) -> None:
    """Every command in the README is valid, with existing flags."""
    for shown, typed in ELLIPSIS.items():
        line = line.replace(shown, typed)
    line = re.sub(r" --vpc \S*$", "", line)
    assert isinstance(parse(words(line), prog="%tidb_pe", skin=Skin.LINE), Command)


def test_security_names_tests_that_exist() -> None:
    """Each file that SECURITY.md refers to exists."""
    named = re.findall(r"`(tests/[^`]+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).is_file()] == []
    assert "(SECURITY.md)" in README
