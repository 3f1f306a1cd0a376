"""The form's style sheet and script."""

from __future__ import annotations

import html
from importlib import resources


def style() -> str:
    """Return both as a page element; every rule applies only to `.tidb-pe-…`.

    JupyterLab's variables follow its theme, and each has a fallback color. The script is in an attribute,
    because a script element that is inserted into a page does not run.
    """
    return f'<style onload="{html.escape(_read("form.js"))}">{_read("form.css")}</style>'


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
