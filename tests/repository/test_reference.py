"""The reference of all commands is what the table of operations says."""

from __future__ import annotations

from programs import reference


def test_the_reference_is_made_from_the_table() -> None:
    """What is shipped is what `make reference` writes."""
    assert reference.PATH.read_text(encoding="utf-8") == reference.reference()
