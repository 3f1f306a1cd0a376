"""The states that a wait has seen, in order: as a picture and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.display.svg import NARROW, WIDTH, Drawing, Line, Shape, Sign, TextLine
from tidb_pe_magic.display.view import Mark
from tidb_pe_magic.display.views.topology import state_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic import model

_LEAD, _SIGN = 84.0, 10.0  # the lanes' names; distance from a sign's center to its line
_MOST, _LEAST = 5, 4  # columns
# For the narrow form: positions of the second and third column, and a row's height.
_SECOND, _THIRD, _ROW = 60.0, 190.0, 20.0


def timeline(changes: Sequence[model.StateChange]) -> Drawing:
    """Draw the endpoint's and the connection's states, each at the time when it was first seen.

    If there are too many for one line, states after the first are omitted; `seen` has them all.
    """
    shown: list[model.StateChange | None] = list(changes)
    if len(shown) > _MOST:
        shown[1 : 2 - _MOST] = [None]
    step = (WIDTH - _LEAD) / max(len(shown), _LEAST)
    places = [_LEAD + _SIGN + number * step for number in range(len(shown))]
    shapes: list[Shape] = [TextLine(x=0, y=14, text="Seen after", room=_LEAD)]
    for x, change in zip(places, shown, strict=True):
        shapes.append(TextLine(x=x - 6, y=14, text=_after(change) if change else "…", room=step, after="·"))
    for y, name, states in (
        (34.0, "Endpoint", [change.endpoint_status if change else None for change in shown]),
        (72.0, "Connection", [change.connection_status if change else None for change in shown]),
    ):
        shapes.append(TextLine(x=0, y=y + 4, text=name, room=_LEAD, face="title"))
        shapes += _lane(y, states, places, step)
    label = observed_changes(changes).text
    return Drawing(label=label, height=98, shapes=tuple(shapes), narrow=_from_top(shown, label))


def _from_top(shown: Sequence[model.StateChange | None], label: str) -> Drawing:
    """Draw the states as lines, one below the other."""
    titles = ((0.0, "After"), (_SECOND, "Endpoint"), (_THIRD, "Connection"))
    shapes: list[Shape] = [
        TextLine(x=x, y=14, text=title, room=_THIRD, face="title", after="·") for x, title in titles
    ]
    for number, change in enumerate(shown, 1):
        y = 14 + number * _ROW
        shapes.append(TextLine(x=0, y=y, text=_after(change) if change else "…", room=_SECOND, after="·"))
        states = (change.endpoint_status, change.connection_status) if change else ()
        for x, state in zip((_SECOND, _THIRD), states, strict=False):
            shapes.append(Sign(x=x + 6, y=y - 4, kind=state_kind(state)))
            shapes.append(TextLine(x=x + 16, y=y, text=state, room=_THIRD - _SECOND - 20, after="·"))
    return Drawing(label=label, height=20 + len(shown) * _ROW, shapes=tuple(shapes), width=NARROW)


def observed_changes(changes: Sequence[model.StateChange]) -> Mark:
    """Return each change with its time, in words."""
    words = "; ".join(
        f"{_after(change)}: {change.endpoint_status}, connection {change.connection_status}"
        for change in changes
    )
    return Mark("info", f"Seen while waiting, after {words or 'nothing'}")


def _lane(y: float, states: Sequence[str | None], places: Sequence[float], step: float) -> Iterator[Shape]:
    """Draw the states of one lane; a state that stays is a continued line."""
    before: str | None = None
    for number, (x, state) in enumerate(zip(places, states, strict=True)):
        kind = state_kind(state or "")
        begins = state is not None and state != before
        if begins:
            yield Sign(x=x, y=y, kind=kind)
            yield TextLine(x=x - 6, y=y + 20, text=state or "", room=step, after="·")
        if number + 1 < len(places):
            lead = _SIGN if begins else -_SIGN
            yield Line(start=(x + lead, y), end=(places[number + 1] - _SIGN, y), kind=kind)
        before = state


def _after(change: model.StateChange) -> str:
    return f"{change.elapsed:.1f} s"
