"""The repository's Python files, each parsed once for all guards of a process."""

from __future__ import annotations

import ast
import gc
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file, which callers must not change."""
    enabled = gc.isenabled()
    gc.disable()  # A third of a million objects stay alive: looking for garbage among them doubles the time.
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        if enabled:
            gc.enable()


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file's syntax tree, in the order of `ast.walk`."""
    return tuple(ast.walk(tree(path)))
