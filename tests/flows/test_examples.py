"""The examples of the help, one after the other, as a person may type them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import Runbook
from tidb_pe_magic.commands.parse import Command, parse, words
from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.display import render

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tidb_pe_magic.sandbox import Sandbox


def test_the_examples_of_the_help_are_a_session_that_works(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the table's order each example is carried out, and has something to show."""
    monkeypatch.chdir(tmp_path)  # one of them writes a file
    with Runbook(environ=sandbox.environment()) as runbook:
        for operation in OPERATIONS.values():
            # Of an ID that nobody has there is nothing to delete: the session's own stands in its place.
            made = next(iter(sandbox.world.endpoints), "")
            example = operation.example.replace("delete ep-t4nabc123", f"delete {made}")
            command = parse(words(example), prog="%tidb_pe")
            assert isinstance(command, Command)
            result = runbook.perform(operation.name, command.request)
            assert render.text(result).strip(), operation.example
            assert "<" in render.html(result), operation.example
