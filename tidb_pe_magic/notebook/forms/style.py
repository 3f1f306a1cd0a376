"""The form's style sheet, and what the page itself does for the form."""

from __future__ import annotations

import html
from importlib import resources


def style() -> str:
    """Return both as an element of the page; every rule is about `.tidb-pe-…` alone.

    JupyterLab's variables follow its theme, each with a colour to fall back to. The script stands in an
    attribute, since a script element that is put into a page does not run.
    """
    return f'<style onload="{html.escape(_read("form.js"))}">{_read("form.css")}</style>'


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
