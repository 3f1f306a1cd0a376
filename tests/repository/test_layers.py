"""The guard of the architecture: imports go one way, and foreign packages have their places."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = "tidb_pe_magic"
# What each part may import of the others.
BASE = {"errors", "model"}
DISPLAY = {"render", "views", "layout", "drawing", "event_lines"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "model": {"errors"},
    "whole_files": {"errors"},
    **dict.fromkeys(DISPLAY, BASE | DISPLAY),
    "credentials": BASE,
    "plain": BASE | {"credentials"},
    "clients": BASE,
    "exports": BASE,
    "keys": BASE | {"credentials"},
    "clouds": BASE | {"credentials", "keys"},
    "database": BASE | {"credentials", "whole_files"},
    "runbook": BASE | {"whole_files", "clients", "exports", "credentials", "keys", "clouds", "database"},
    "notebook": BASE | DISPLAY | {"credentials", "clouds", "database", "runbook"},
    "shell_completion": BASE | {"runbook"},
    "cli": BASE | DISPLAY | {"plain", "shell_completion", "credentials", "clouds", "database", "runbook"},
    "__init__": {"errors", "runbook", "notebook"},
    "sandbox": set(),
}
# Foreign packages, by the beginning of their names, and the one place that may import them.
PLACES = {
    **dict.fromkeys(("alibabacloud_", "darabonba", "Tea"), "clouds/alibaba_"),
    **dict.fromkeys(("sqlalchemy", "pymysql", "pandas", "sql"), "database/"),
    **dict.fromkeys(("IPython", "ipywidgets"), "notebook/"),
}
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below, without what stands under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            children: list[ast.stmt] = child.orelse
            for other in children:
                yield other
                yield from executed(other)
        else:
            yield child
            yield from executed(child)


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of everything that the code imports, wherever the import stands."""
    for node in executed(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(path: Path, tree: ast.AST) -> list[str]:
    """Return the imports that `path`, relative to the package, must not have."""
    part, found = path.parts[0].removesuffix(".py"), []
    for name in imports(tree):
        top, _, rest = name.partition(".")
        inner = rest.split(".")[0]
        if top == PACKAGE and inner not in {part, *ALLOWED.get(part, set())}:
            found.append(name)
        for beginning, place in PLACES.items():
            fits = top.startswith(beginning) if beginning.endswith("_") else top == beginning
            if part != "sandbox" and fits and not path.as_posix().startswith(place):
                found.append(name)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT / PACKAGE).as_posix())
def test_imports_go_one_way(path: Path) -> None:
    """No file imports what is above it, the sandbox is an island, and foreign packages have their places."""
    assert offences(path.relative_to(ROOT / PACKAGE), ast.parse(path.read_text(encoding="utf-8"))) == []


def test_every_part_has_its_rule() -> None:
    """A new module at the top has to be given its place."""
    assert {path.relative_to(ROOT / PACKAGE).parts[0].removesuffix(".py") for path in FILES} <= set(ALLOWED)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("errors.py", "from tidb_pe_magic.model import Cluster"),
        ("model.py", "def f():\n    from tidb_pe_magic import render"),
        ("clouds/wire.py", "import tidb_pe_magic.runtime.context"),
        (
            "runbook/context.py",
            "try:\n    from tidb_pe_magic.notebook import magics\nexcept ImportError: ...",
        ),
        ("runbook/x.py", "from tidb_pe_magic.sandbox.alibaba.world import World"),
        ("sandbox/world.py", "from tidb_pe_magic import errors"),
        ("sandbox/world.py", "from tidb_pe_magic.clouds import wire"),
        ("clouds/alibaba.py", "from alibabacloud_credentials.client import Client"),
        ("clouds/alibaba.py", "import Tea.exceptions"),
        ("runbook/overview.py", "import sqlalchemy"),
        ("runbook/overview.py", "from sql.connection import ConnectionManager"),
        ("runbook/context.py", "if TYPE_CHECKING:\n    import x\nelse:\n    import IPython"),
    ],
)
def test_the_guard_sees_a_wrong_import(path: str, code: str) -> None:
    """Wherever the import stands and however it is written, it is found."""
    assert len(offences(Path(path), ast.parse(code))) == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("errors.py", "if TYPE_CHECKING:\n    from tidb_pe_magic.model import VpcEndpoint"),
        ("clouds/alibaba_client.py", "from alibabacloud_tea_openapi import utils_models"),
        ("sandbox/database.py", "import pymysql\nfrom tidb_pe_magic.sandbox import world"),
        ("database/engine.py", "import sqlite3, sqlalchemy.exc"),
    ],
)
def test_the_guard_lets_a_right_import_through(path: str, code: str) -> None:
    """Imports for type checkers, and those in their own place, are no offence."""
    assert offences(Path(path), ast.parse(code)) == []
