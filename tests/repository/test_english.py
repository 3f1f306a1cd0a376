"""No text of the repository contains a phrase that has to be read twice."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.sources import nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
# A lookbehind or lookahead excludes correct uses.
PHRASES = (
    r"(?<!there\s)(?:is|are|was|were) no (?!longer\b|such\b|more\b|less\b|later\b|other\b)",
    r"(?<!there\s)(?:is|are) none of (?:ours|yours)",
    r"(?:which|that) no (?:calendar|cloud|server)\b",
    r"(?:is|are|was|were|be) had\b",
    r"besides\b",
    r"(?<!are\s)(?<!is\s)all the same(?=\s?[.:;,)]|$)",
    r"(?:un)?mend(?:s|ed|ing)?\b",
    r"kin\b",
    r"(?:is|are|was|were|be|been|told|not) told\b",
    r"told by",
    r"lets? (?:\w+ ){0,4}in(?=\s?[.:;,)]|$)",
    r"let in\b",
    r"without any(?:body|one)",
    r"(?:any|some)body\b",
    r"nobody's\b",
    r"whoever\b",
    r"of (?:ours|yours|theirs)\b",
    r"stands? (?:instead|beside)",
    r"made here\b",
    r"to go on all",
    r"is a cell magic",
    r"one of three things",
    r"with other options perhaps",
    r"name alone",
    r"would be right",
)
_BANNED = re.compile(r"\b(?:" + "|".join(PHRASES).replace(" ", r"\s+") + ")", re.IGNORECASE | re.MULTILINE)
_CODE = re.compile(r"```.*?```|``[^`]+``|`[^`\n]+`|<[^<>\n]+>|\]\([^)\n]*\)", re.DOTALL)
PRODUCT = sorted((ROOT / "tidb_pe_magic").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MARKDOWN = sorted([*ROOT.glob("*.md"), *(ROOT / "tidb_pe_magic").rglob("*.md")])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def offenses(text: str) -> Iterator[tuple[int, str]]:
    """Yield each banned phrase in a text, with the line breaks before it; skip code spans."""
    prose = _CODE.sub(lambda code: re.sub(r"[^\n]", "_", code[0]), text)
    for found in _BANNED.finditer(prose):
        yield prose.count("\n", 0, found.start()), " ".join(found[0].split())


def _text(node: ast.expr) -> str:
    """Return a literal's text; values in an f-string are replaced by underscores."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "_" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _literals(path: Path, *, docstrings: bool) -> Iterator[tuple[int, str]]:
    """Yield line and text of a module's docstrings, or of all its strings."""
    parts: set[int] = set()
    for node in nodes(path):
        if isinstance(node, ast.JoinedStr):  # It comes before its parts.
            parts.update(map(id, node.values))
        if docstrings and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.lineno, _text(node.value)
        elif not docstrings and isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in parts:
            yield node.lineno, _text(node)


def _in_python(path: Path, *, docstrings: bool = False) -> Iterator[str]:
    for line, text in _literals(path, docstrings=docstrings):
        if " " in text.strip():
            yield from _listed(path, line, text)


def _in_notebook(path: Path) -> Iterator[str]:
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], 1):
        if cell["cell_type"] == "markdown":
            for line, phrase in offenses("".join(cell["source"])):
                yield f"{path.relative_to(ROOT)}: cell {number}, line {line + 1}: {phrase}"


def _listed(path: Path, line: int, text: str) -> Iterator[str]:
    for further, phrase in offenses(text):
        yield f"{path.relative_to(ROOT)}:{line + further}: {phrase}"


def test_no_text_has_a_banned_phrase() -> None:
    """Strings, docstrings, Markdown files and Markdown cells contain no banned phrase."""
    found = [
        *(offense for path in PRODUCT for offense in _in_python(path)),
        *(offense for path in TESTS for offense in _in_python(path, docstrings=True)),
        *(offense for path in MARKDOWN for offense in _listed(path, 1, path.read_text(encoding="utf-8"))),
        *(offense for path in NOTEBOOKS for offense in _in_notebook(path)),
    ]
    assert not found, "rewrite in plain English:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("X is no file.", ["is no"]),
        ("There is no file, it is no longer needed, and `x is no file` is code.", []),
        ("two\nwords are\n  no file", ["are no"]),
        ("To go on all the same: --force.", ["To go on all"]),
        ("They are all the same.", []),
        ("Inbound TCP 4000 is let in.", ["let in"]),
        ("Let the reader choose in the list.", []),
        ("a kind word, recommended, and amended", []),
    ],
)
def test_a_phrase_is_found_and_a_correct_use_is_not(text: str, phrases: list[str]) -> None:
    """The patterns find a phrase across line breaks, and accept correct uses and code."""
    assert [phrase for _, phrase in offenses(text)] == phrases
