"""The form's style sheet: JupyterLab's variables follow its theme, each with a colour to fall back to."""

from __future__ import annotations

from importlib import resources

# JupyterLab takes a letter that is pressed in a list, or Enter on a button, for one of the notebook's own
# shortcuts (`m` makes the cell a text, `x` cuts it), and ipywidgets has no attribute that says otherwise.
_OWN_KEYS = (
    "this.closest('.tidb-pe-form')?.addEventListener('focusin', event => "
    "event.target.matches('select, button') && "
    "event.target.setAttribute('data-lm-suppress-shortcuts', 'true'))"
)


def style() -> str:
    """Return the style sheet as an element of the page; every rule is about `.tidb-pe-…` alone."""
    sheet = resources.files(__package__).joinpath("form.css").read_text(encoding="utf-8")
    return f'<style onload="{_OWN_KEYS}">{sheet}</style>'
