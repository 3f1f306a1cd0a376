"""The widgets of the form, which share their layouts and styles.

By default, each widget of ipywidgets has its own layout and its own style, and each of these is a model that
the kernel sends to the page. The form's look comes from its style sheet, so nearly all of them are equal. If
they are shared, the form has 160 models instead of 380, and is created in a third of the time.

A widget whose layout changes needs its own: `Button(layout={})`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import ipywidgets

if TYPE_CHECKING:
    from collections.abc import Iterator

_lock = threading.Lock()
_shared: dict[type, Any] = {}


class SharedLayout(ipywidgets.Layout):  # type: ignore[misc]
    """A layout of many widgets, which cannot be changed."""

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse to change what the page shows.

        Raises:
            AttributeError: the layout is shared.
        """
        if self.has_trait(name) and self.trait_metadata(name, "sync") and self.comm is not None:
            msg = "many widgets share this layout; give the widget its own with layout={}"
            raise AttributeError(msg)
        super().__setattr__(name, value)


def _shared_model(kind: type) -> Any:
    """Return the shared layout or style of a class; a new one if it was closed."""
    with _lock:
        model = _shared.get(kind)
        if model is None or model.comm is None:
            model = _shared[kind] = kind()
        return model


def tree(*roots: Any) -> Iterator[Any]:
    """Yield the widgets and all that they contain."""
    for widget in roots:
        yield widget
        yield from tree(*getattr(widget, "children", ()))


def close(*roots: Any) -> None:
    """Close the widgets, all that they contain, and the layouts and styles that no other widget has.

    ipywidgets closes only the widget itself, and keeps every open one until the kernel ends.
    """
    with _lock:
        shared = set(map(id, _shared.values()))
    for widget in list(tree(*roots)):
        looks = (getattr(widget, name, None) for name in ("layout", "style"))
        for each in (widget, *looks):
            if each is not None and id(each) not in shared:
                each.close()


class Sharing:
    """A widget that has the shared layout and style unless it is given others."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Create the widget with the options of ipywidgets."""
        if "layout" not in options:
            options["layout"] = _shared_model(SharedLayout)
        style = getattr(type(self), "style", None)
        if style is not None and "style" not in options:
            options["style"] = _shared_model(style.klass)
        super().__init__(*arguments, **options)


class Button(Sharing, ipywidgets.Button):  # type: ignore[misc]
    """A button."""


class Checkbox(Sharing, ipywidgets.Checkbox):  # type: ignore[misc]
    """A switch."""


class Dropdown(Sharing, ipywidgets.Dropdown):  # type: ignore[misc]
    """A choice of one, folded."""


class HBox(Sharing, ipywidgets.HBox):  # type: ignore[misc]
    """Widgets beside each other."""


class HTML(Sharing, ipywidgets.HTML):  # type: ignore[misc]
    """A text."""


class Select(Sharing, ipywidgets.Select):  # type: ignore[misc]
    """A choice of one, listed."""


class SelectMultiple(Sharing, ipywidgets.SelectMultiple):  # type: ignore[misc]
    """A choice of several."""


class Text(Sharing, ipywidgets.Text):  # type: ignore[misc]
    """A line."""


class Textarea(Sharing, ipywidgets.Textarea):  # type: ignore[misc]
    """Some lines."""


class ToggleButton(Sharing, ipywidgets.ToggleButton):  # type: ignore[misc]
    """A button that stays pressed."""


class VBox(Sharing, ipywidgets.VBox):  # type: ignore[misc]
    """Widgets below each other."""
