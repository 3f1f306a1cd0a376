"""Small pictures as inline SVG: words, boxes, lines and signs, escaped as in `html`.

A page's sanitizer may remove the elements of a picture and keep its characters. So the words are in reading
order, with separators that browsers do not draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from tidb_pe_magic.display.html import COLOURS
from tidb_pe_magic.display.text import columns
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from tidb_pe_magic.display.view import Kind

WIDTH = 640
"""Width of every picture, in the units of its shapes; a page scales it."""

NARROW = 320
"""Width of a picture for narrow pages."""
_MOST_SCALE = 1.1

Face = Literal["title", "word", "code"]

# Text size, and the assumed width of a character, since the page's own fonts are unknown.
_FACES: dict[Face, tuple[str, float]] = {
    "title": ("font-size:12px;font-weight:600", 7.0),
    "word": ("font-size:11px", 6.0),
    "code": ("font-size:10.5px;font-family:var(--jp-code-font-family,monospace)", 6.4),
}
# The outlines and contents of the signs differ, so they can be distinguished without colors.
_OUTLINES: dict[Kind, str] = {
    "ok": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z",
    "no": "M-5.5-5.5h11v11h-11z",
    "warn": "M0-6.5L6.5 5.5h-13z",
    "busy": "M0-6.5L6.5 0L0 6.5L-6.5 0z",
    "info": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "aside": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "todo": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
}
_INNER: dict[Kind, str] = {
    "ok": "M-3 0.2L-0.8 2.4L3-2.2",
    "no": "M-2.6-2.6L2.6 2.6M2.6-2.6L-2.6 2.6",
    "warn": "M0-2.2V1.6M0 3.2V4",
    "busy": "M-2.6 0h.6M-.3 0h.6M2 0h.6",
}
_DASHES: dict[Kind, str] = {"busy": "5 3", "no": "1.5 3.5", "warn": "8 3"}
# Two characters that XML does not allow, in addition to those that one_line makes visible.
_NOT_XML = dict.fromkeys((0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True, kw_only=True)
class TextLine:
    """A line of text, shortened in its middle if it is too long.

    Attributes:
        x: left edge.
        y: baseline.
        room: maximum width in units.
        after: separator from the next words if only the characters of the picture remain.
    """

    x: float
    y: float
    text: str
    room: float
    face: Face = "word"
    after: Literal["", "→", "·"] = ""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A frame with round corners, dashed like a line of its kind."""

    x: float
    y: float
    width: float
    height: float
    kind: Kind = "info"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line between two points, horizontal at both ends; each kind has its own dash pattern."""

    start: tuple[float, float]
    end: tuple[float, float]
    kind: Kind = "info"


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A state as a sign, with its center."""

    x: float
    y: float
    kind: Kind


Shape = TextLine | Box | Line | Sign


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Shapes in reading order; `label` has the same content in words.

    Attributes:
        narrow: the variant for narrow pages, from top to bottom.
    """

    label: str
    height: float
    shapes: tuple[Shape, ...]
    width: float = WIDTH
    narrow: Drawing | None = None

    def svg(self) -> str:
        """Return one element without scripts, style sheets, identifiers or external resources."""
        root = Element("svg", {"role": "img", "aria-label": _harmless(self.label)})
        root.set("viewBox", f"0 0 {self.width:g} {self.height:g}")
        root.set("fill", "none")
        # As wide as the page allows, but its text must not be much larger than the text around it.
        limit = self.width * _MOST_SCALE
        root.set("style", f"display:block;width:100%;max-width:{limit:g}px;height:auto;overflow:visible")
        for shape in self.shapes:
            _draw(root, shape)
        return tostring(root, encoding="unicode")


def _harmless(text: str) -> str:
    return one_line(text).translate(_NOT_XML)


def _draw(root: Element, shape: Shape) -> None:
    match shape:
        case TextLine():
            if shape.text:
                style, _ = _FACES[shape.face]
                node = SubElement(root, "text", {"x": f"{shape.x:g}", "y": f"{shape.y:g}"})
                node.set("style", f"fill:currentColor;{style}")
                node.text = _fit(shape)
            if len(root):
                root[-1].tail = f"{root[-1].tail or ''} {shape.after} "
        case Box():
            numbers = {"x": shape.x, "y": shape.y, "width": shape.width, "height": shape.height, "rx": 6}
            node = SubElement(root, "rect", {name: f"{number:g}" for name, number in numbers.items()})
            colour = _colour(shape.kind)
            faint = "" if _plain(shape.kind) else f";fill:{colour};fill-opacity:.07"
            node.set("style", f"{_stroke(shape.kind)}{faint}")
        case Line():
            _path(root, _curve(shape.start, shape.end), _stroke(shape.kind))
        case Sign():
            place = f"translate({shape.x:g} {shape.y:g})"
            strong = f"stroke:{_colour(shape.kind)};stroke-width:1.5"
            for path in (_OUTLINES[shape.kind], _INNER.get(shape.kind)):
                if path:
                    _path(root, path, strong).set("transform", place)


def _path(root: Element, path: str, style: str) -> Element:
    return SubElement(root, "path", {"d": path, "style": style})


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (to_x, to_y) = start, end
    middle = (x + to_x) / 2
    return f"M{x:g} {y:g}C{middle:g} {y:g} {middle:g} {to_y:g} {to_x:g} {to_y:g}"


def _plain(kind: Kind) -> bool:
    return kind in {"info", "aside", "busy", "todo"}


def _colour(kind: Kind) -> str:
    return "currentColor" if _plain(kind) else COLOURS[kind]


def _stroke(kind: Kind) -> str:
    dashes = f";stroke-dasharray:{_DASHES[kind]}" if kind in _DASHES else ""
    faint = ";stroke-opacity:.45" if kind in {"info", "aside", "todo"} else ""
    return f"stroke:{_colour(kind)};stroke-width:1.3{faint}{dashes}"


def _fit(words: TextLine) -> str:
    """Shorten in the middle: identifiers of one kind begin alike."""
    text = _harmless(words.text)
    _, each = _FACES[words.face]
    limit = max(1, int(words.room / each))
    if columns(text) <= limit:
        return text
    head = tail = ""
    while True:
        longer = (text[: len(head) + 1], tail) if len(head) <= len(tail) else (head, text[-len(tail) - 1 :])
        if columns("".join(longer)) > limit - 1:
            return f"{head}…{tail}"
        head, tail = longer
