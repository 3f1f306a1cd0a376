"""The reference of all commands, from the table of operations: `make reference` writes it.

It is a topic of the package's help, for `%tidb_pe help commands` and for a browser.
"""

from __future__ import annotations

import textwrap
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.commands.parse import field_help
from tidb_pe_magic.commands.table import OPERATIONS, Operation, Skin

if TYPE_CHECKING:
    from tidb_pe_magic.commands.fields import Option

PATH = Path(__file__).parents[2] / "tidb_pe_magic" / "help" / "commands.md"
_INTRODUCTION = """\
# All commands, with their options

Type a command after `%tidb_pe` in a notebook, or after `tidb-pe` in a shell. In Python, it is a method of
`tidb_pe_magic.Runbook` with the same options. `-h` after a command shows its options. Commands that change
resources in a cloud say so; all others are safe to run.
"""


def reference() -> str:
    """Return the reference as Markdown."""
    sections = (_section(operation) for operation in OPERATIONS.values())
    return "\n".join((_INTRODUCTION, *sections))


def _section(operation: Operation) -> str:
    request = operation.request
    described = [field for field in fields(request) if not _option(field).positional]
    given = [field for field in fields(request) if _option(field).positional]
    usage = " ".join((operation.name, *(_place(operation, field) for field in given)))
    told = [f"{operation.summary}."]
    told.append("It changes resources in a cloud." if operation.mutates else "")
    rows = [
        f"| `{_cell(_typed(operation, field))}` | {_cell(field_help(field))} |"
        for field in (*given, *described)
    ]
    table = ["", "| option | what it is |", "|---|---|", *rows] if rows else []
    text = " ".join(filter(None, told))
    return "\n".join(
        (
            f"## {usage}",
            "",
            *textwrap.wrap(text, 110),
            *table,
            "",
            *_example(operation),
            "",
        )
    )


def _option(field: Field[Any]) -> Option:
    described: Option = field.metadata["option"]
    return described


def _place(operation: Operation, field: Field[Any]) -> str:
    label = operation.request.label(field.name)
    return label if field.default is MISSING else f"[{label}]"


def _typed(operation: Operation, field: Field[Any]) -> str:
    label, described = operation.request.label(field.name), _option(field)
    return label if described.positional or field.default is False else f"{label} {described.metavar}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _example(operation: Operation) -> list[str]:
    line = f"`%tidb_pe {operation.example}`"
    if Skin.LINE in operation.skins:
        return [". ".join(filter(None, (f"Example: {line}", _python(operation))))]
    cell = ["", "```", *f"%%tidb_pe {operation.example}".split("\n"), "```", ""]
    return ["Example, as a cell:", *cell, _python(operation)]


def _python(operation: Operation) -> str:
    return f"In Python: `runbook.{operation.method}`" if Skin.PYTHON in operation.skins else ""


if __name__ == "__main__":
    PATH.write_text(reference(), encoding="utf-8")
