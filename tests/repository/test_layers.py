"""The architecture guard: imports go one way, and foreign packages have their places."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.sources import nodes, tree

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

ROOT = Path(__file__).parents[2]
PACKAGE = "tidb_pe_magic"
# Each part may import lower layers, and only itself of its own layer.
LEVELS = (
    {"text", "advice"},
    {"errors"},
    {"model"},
    {"files", "threads"},
    {"credentials"},
    {"clouds", "database", "display", "clients", "exports"},
    {"commands"},
    {"runtime"},
    {"steps"},
    {"runbook"},
    {"completion"},
    {"notebook", "cli"},
    {"__main__"},
    {"__init__"},
)
LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}
# Foreign packages by the beginning of their names, and the only place that may import each.
PLACES = {
    **dict.fromkeys(("alibabacloud_", "darabonba", "Tea"), "clouds/alibaba/"),
    **dict.fromkeys(("sqlalchemy", "pymysql", "pandas", "sql"), "database/"),
    **dict.fromkeys(("IPython", "ipywidgets"), "notebook/"),
}
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below, except expressions and what is under `if TYPE_CHECKING`."""
    rest = [node]
    while rest:
        for child in ast.iter_child_nodes(rest.pop()):
            if isinstance(child, ast.expr):
                continue  # It contains no import.
            children: list[ast.AST] = [child]
            if isinstance(child, ast.If) and _is_type_checking(child.test):
                children = [*child.orelse]
            yield from children
            rest += children


def imports(found: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the full name of everything that the nodes import."""
    for node in found:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path: Path) -> str:
    """Return the part of the package that a file, relative to the package, belongs to."""
    return path.parts[0].removesuffix(".py")


def may_import(part: str, other: str) -> bool:
    """Return whether one part may import another: only a lower one, and nothing for the sandbox."""
    if part == other:
        return True
    return part != "sandbox" and other in LEVEL and LEVEL[other] < LEVEL[part]


def offenses(path: Path, module: ast.AST) -> list[str]:
    """Return the forbidden imports of `path`, relative to the package."""
    part, found = part_of(path), []
    for name in imports(executed(module)):
        top, _, rest = name.partition(".")
        inner = rest.split(".")[0]
        if top == PACKAGE and not may_import(part, inner):
            found.append(name)
        for beginning, place in PLACES.items():
            fits = top.startswith(beginning) if beginning.endswith("_") else top == beginning
            if part != "sandbox" and fits and not path.as_posix().startswith(place):
                found.append(name)
    return found


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Return the sets of modules that import each other, directly or through others."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = set(error.args[1])
        rest = {name: others - circle for name, others in graph.items() if name not in circle}
        return [circle, *circles(rest)]
    return []


def resolved(names: Iterable[str], modules: Container[str]) -> set[str]:
    """Return the modules of the package that the imported names are, or come from."""
    found = (name if name in modules else name.rpartition(".")[0] for name in names)
    return {name for name in found if name in modules}


def packages_of(module: str) -> list[str]:
    """Return the packages around a module, outermost first."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def import_graph() -> dict[str, set[str]]:
    """Return the imported modules of each module, including those for type checkers."""
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES}
    modules = {name.removesuffix(".__init__"): path for name, path in modules.items()}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        found = resolved(imports(nodes(path)), modules)
        # Importing a module imports its parent packages; the importer's own are already loaded.
        executed_names = resolved(imports(executed(tree(path))), modules)
        around = {package for name in executed_names for package in packages_of(name)}
        around -= set(packages_of(module))
        graph[module] = (found | around) - {module}
    return graph


def test_imports_go_one_way() -> None:
    """No file imports a higher layer, the sandbox is isolated, and foreign packages have their places."""
    found = {path: offenses(path.relative_to(ROOT / PACKAGE), tree(path)) for path in FILES}
    assert {path.as_posix(): names for path, names in found.items() if names} == {}


def test_no_module_imports_itself_through_others() -> None:
    """Import circles do not exist, not even for type checkers only."""
    assert circles(import_graph()) == []


def test_the_guard_finds_a_circle() -> None:
    """A circle through three modules is found, without modules that only import from it."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert circles(graph) == [{"a", "b", "c"}]


def test_a_class_name_means_one_thing() -> None:
    """No two classes of the product have one name, and no two of the sandbox."""
    places: dict[tuple[bool, str], list[str]] = {}
    for path in FILES:
        name = path.relative_to(ROOT / PACKAGE)
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                places.setdefault((part_of(name) == "sandbox", node.name), []).append(name.as_posix())
    assert {name: found for (_, name), found in places.items() if len(found) > 1} == {}


def test_every_part_has_its_rule() -> None:
    """Each new top-level module has a layer."""
    assert {part_of(path.relative_to(ROOT / PACKAGE)) for path in FILES} == {*LEVEL, "sandbox"}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("errors.py", "from tidb_pe_magic.model import Cluster"),
        ("model/keys.py", "def f():\n    from tidb_pe_magic import display"),
        ("clouds/pages.py", "import tidb_pe_magic.runtime.context"),
        ("clouds/pages.py", "from tidb_pe_magic.database import engine"),
        (
            "runtime/context.py",
            "try:\n    from tidb_pe_magic.notebook import magics\nexcept ImportError: ...",
        ),
        ("steps/x.py", "from tidb_pe_magic.sandbox.alibaba.world import World"),
        ("sandbox/world.py", "from tidb_pe_magic import errors"),
        ("sandbox/world.py", "from tidb_pe_magic.clouds import pages"),
        ("clouds/hosts.py", "from alibabacloud_credentials.client import Client"),
        ("clouds/hosts.py", "import Tea.exceptions"),
        ("steps/status.py", "import sqlalchemy"),
        ("steps/status.py", "from sql.connection import ConnectionManager"),
        ("runtime/context.py", "if TYPE_CHECKING:\n    import x\nelse:\n    import IPython"),
    ],
)
def test_the_guard_sees_a_wrong_import(path: str, code: str) -> None:
    """A wrong import is found, wherever it is and however it is written."""
    assert len(offenses(Path(path), ast.parse(code))) == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("errors.py", "if TYPE_CHECKING:\n    from tidb_pe_magic.model import VpcEndpoint"),
        ("clouds/alibaba/sdk.py", "from alibabacloud_tea_openapi import utils_models"),
        ("sandbox/mysql/database.py", "import pymysql\nfrom tidb_pe_magic.sandbox import clock"),
        ("database/engine.py", "import sqlite3, sqlalchemy.exc"),
    ],
)
def test_the_guard_lets_a_right_import_through(path: str, code: str) -> None:
    """Imports for type checkers, and imports of allowed packages, pass."""
    assert offenses(Path(path), ast.parse(code)) == []
