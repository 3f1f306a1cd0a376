"""The form's widgets share their layouts and styles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import pytest
from support.clicker import choose, place

from tidb_pe_magic.notebook.forms import widgets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.clicker import Clicker

    from tidb_pe_magic.sandbox import Sandbox


def within(widget: Any) -> Iterator[Any]:
    """Yield a widget and all that it contains."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from within(child)


def left(before: set[str]) -> list[str]:
    """Return the kinds of the open models that are neither of `before` nor shared by all forms."""
    shared = {look.model_id for look in widgets._shared.values()}
    state = ipywidgets.Widget.get_manager_state()["state"]
    return [each["model_name"] for model, each in state.items() if model not in before | shared]


def test_a_closed_form_leaves_nothing(manual: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """After `close`, ipywidgets has no model of the form, which was drawn for several clusters and VPCs."""
    before = set(ipywidgets.Widget.get_manager_state()["state"])
    clicker = open_form(manual)
    for name in ("demo", "jakarta", "reporting"):
        choose(clicker, name)
        clicker.click(clicker.head("cluster"))
    place(clicker)
    for vpc in [value for _, value in clicker.form.create.vpc.control.options]:
        clicker.put(clicker.form.create.vpc, vpc)
    assert len(left(before)) > 100
    clicker.form.close()
    assert left(before) == []


def test_a_form_has_few_layouts_and_styles(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Widgets have the shared layout and style, except those that the form hides and shows."""
    every = list(within(open_form(sandbox).form.widget))
    own = [each for each in every if not isinstance(each.layout, widgets.SharedLayout)]
    assert len(every) > 100
    assert len(own) < 20
    assert len({id(each.layout) for each in own}) == len(own), "hiding one would hide another"
    assert len({id(each.style) for each in every if hasattr(each, "style")}) < 10


def test_a_shared_layout_cannot_be_changed() -> None:
    """Hiding a widget that has the shared layout is an error, and hides no other widget."""
    first, second, own = widgets.Button(), widgets.Button(), widgets.Button(layout={})
    with pytest.raises(AttributeError, match="its own with layout"):
        first.layout.display = "none"
    assert second.layout.display is None
    own.layout.display = "none"
    assert second.layout.display is None


def test_shared_models_that_were_closed_are_replaced() -> None:
    """After `Widget.close_all`, new widgets get a layout and a style that the page can show."""
    before = widgets.Button()
    before.layout.close()
    before.style.close()
    after = widgets.Button()
    assert isinstance(after, ipywidgets.Button)
    assert after.layout.comm is not None
    assert after.style.comm is not None
