"""What a person does in a form reaches it in the order in which it was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def in_order(*roots: Any) -> None:
    """Have one thread handle all that a front end sends to these widgets and to those within them.

    A front end that knows subshells asks for the same one for every widget. ipykernel 7.4 takes each widget's
    messages to where that widget was changed last instead. So a click could overtake what was typed before
    it, by as long as a cell runs, and an endpoint be made from fields as they were.
    """
    for widget in _within(roots):
        comm = widget.comm
        if hasattr(comm, "_reply_subshell_for"):
            comm._reply_subshell_for = _as_asked  # noqa: SLF001 - there is no setting for it


def _as_asked(_data: object, subshell: str | None) -> str | None:
    return subshell


def _within(roots: tuple[Any, ...]) -> Iterator[Any]:
    for widget in roots:
        yield widget
        yield from _within(tuple(getattr(widget, "children", ())))
