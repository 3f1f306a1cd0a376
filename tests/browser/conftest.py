"""JupyterLab on a copy of the notebooks, with the sandbox's environment, and a page of a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser.lab import Lab, launch
from playwright.sync_api import expect, sync_playwright
from support.requirements import need

from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FLIGHTS = 2000
_MILLISECONDS = 60_000.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a browser without a window."""
    program = need("chromium", apt="chromium")
    expect.set_options(timeout=_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = launch(playwright, program)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Give embedded clouds that take their time, with a part of the flights."""
    with Sandbox(mode="time", seconds=3.0, flights=FLIGHTS) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def lab(browser: Browser, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:  # noqa: ARG001 - no server without a browser
    """Give Jupyter, with its three front ends, on a copy of the notebooks."""
    private = tmp_path_factory.mktemp("private")
    notebooks = tmp_path_factory.mktemp("lab") / "notebooks"
    shutil.copytree(NOTEBOOKS, notebooks, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    with Lab(notebooks, private, sandbox.environment()) as lab:
        yield lab


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """Give one page, which every notebook of a module is opened in."""
    with browser.new_page(viewport={"width": 1280, "height": 900}) as page:
        page.set_default_timeout(_MILLISECONDS)
        yield page
