"""The form's style sheet: JupyterLab's variables follow its theme, each with a colour to fall back to."""

from __future__ import annotations

from importlib import resources


def style() -> str:
    """Return the style sheet as an element of the page; every rule is about `.tidb-pe-…` alone."""
    sheet = resources.files(__package__).joinpath("form.css").read_text(encoding="utf-8")
    return f"<style>{sheet}</style>"
