"""The reference of all commands matches the table of operations."""

from __future__ import annotations

from programs import reference


def test_the_reference_matches_the_table() -> None:
    """The shipped reference equals the output of `make reference`."""
    assert reference.PATH.read_text(encoding="utf-8") == reference.reference()
