"""The guard of advice: a text of the product names no command, because each skin spells commands itself."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from support.sources import nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tidb_pe_magic"
TYPED = re.compile(r"%tidb_pe |tidb-pe (?=[a-z@-])")
# Where commands are spelled: the skins' own ways to write them, and the first screen of each skin's help.
SPELLING = {"advice.py", "commands/overview.py"}


def texts(found: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield every text and its line, parts of f-strings included, without docstrings."""
    silent: set[int] = set()
    for node in found:  # A statement comes before its value.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(id(node.value))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.lineno, node.value


def named(found: Iterable[ast.AST]) -> list[str]:
    """Return the texts of a module that name a command."""
    return [f"{line}: {text!r}" for line, text in texts(found) if TYPED.search(text)]


def test_no_text_names_a_command() -> None:
    """Outside the places that spell commands, advice is an operation and its words."""
    found = {
        name: texts_
        for path in sorted(PACKAGE.rglob("*.py"))
        if (name := path.relative_to(PACKAGE).as_posix()) not in SPELLING
        if (texts_ := named(nodes(path)))
    }
    assert found == {}


def test_the_guard_finds_what_it_looks_for() -> None:
    """A text, a part of an f-string and an argument are found; a docstring and a comment are not."""
    source = '''
"""`%tidb_pe status` in a docstring."""
a = "run %tidb_pe status"  # %tidb_pe status
b = f"{a}: tidb-pe query @tidb"
error(advice="write a file: %%tidb_pe query --to-parquet PATH")
"""`%tidb_pe status` as the docstring of a name."""
c = "the program tidb-pe"
'''
    assert [line.partition(":")[0] for line in named(list(ast.walk(ast.parse(source))))] == ["3", "4", "5"]
