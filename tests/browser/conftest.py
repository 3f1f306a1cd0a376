"""JupyterLab on a copy of the notebooks, with the sandbox's environment and a page of a real browser.

Server, browser and sandbox serve all of these tests. Each module starts with the sandbox in its initial
state.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright
from support.requirements import need

from browser.lab import Lab, launch
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from tidb_pe_magic.sandbox.snapshot import Snapshot

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FLIGHTS = 2000
_MILLISECONDS = 120_000.0


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Provide a headless browser."""
    program = need("chromium", apt="chromium")
    expect.set_options(timeout=_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = launch(playwright, program)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def started() -> Iterator[tuple[Sandbox, Snapshot]]:
    """Provide embedded clouds with realistic delays and part of the flights, and their initial state."""
    with Sandbox(mode="time", seconds=3.0, flights=FLIGHTS) as sandbox:
        yield sandbox, sandbox.snapshot()


@pytest.fixture(scope="module")
def sandbox(started: tuple[Sandbox, Snapshot]) -> Sandbox:
    """Provide the clouds in their initial state."""
    sandbox, first = started
    sandbox.restore(first)
    sandbox.requests.clear()
    return sandbox


@pytest.fixture(scope="package")
def server(
    browser: Browser,  # noqa: ARG001 - no server without a browser
    started: tuple[Sandbox, Snapshot],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lab]:
    """Provide Jupyter with its three front ends, on a copy of the notebooks."""
    private = tmp_path_factory.mktemp("private")
    notebooks = tmp_path_factory.mktemp("lab") / "notebooks"
    shutil.copytree(NOTEBOOKS, notebooks, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    with Lab(notebooks, private, started[0].environment()) as lab:
        yield lab


@pytest.fixture(scope="module")
def lab(server: Lab, sandbox: Sandbox) -> Iterator[Lab]:  # noqa: ARG001 - the kernels ask it
    """Provide Jupyter without running kernels."""
    yield server
    server.end_kernels()


@pytest.fixture(scope="package")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Provide a profile of the browser, whose pages share one cache."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        context.set_default_timeout(_MILLISECONDS)
        yield context


@pytest.fixture(scope="package")
def page(context: BrowserContext) -> Page:
    """Provide the page in which JupyterLab is loaded once and shows one notebook after the other."""
    return context.new_page()


@pytest.fixture
def other_page(context: BrowserContext) -> Iterator[Page]:
    """Provide an empty page, for another front end."""
    with context.new_page() as page:
        yield page
