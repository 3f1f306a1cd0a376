"""Create the README's pictures of notebooks in JupyterLab against the sandbox: `make pictures`.

Each scene is a notebook's cells, a theme and a window's width; a scene of a form adds a user's actions.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from browser.form_page import DATABASE, GROUP, FormPage
from browser.lab import Lab, OpenNotebook, launch
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

IMAGES = Path(__file__).parents[2] / "notebooks" / "images"
MOST_BYTES = 200_000
_COLOURS = 256
_LOAD = "%load_ext tidb_pe_magic\n%tidb_pe cluster demo;"
_NETWORK = "--vpc vpc-t4nanalytics0k3m7x --security-group sg-t4nanalytics"
_STATEMENT = """SELECT carrier, COUNT(*) AS flights, ROUND(AVG(dep_delay), 1) AS delay
FROM flights GROUP BY carrier ORDER BY delay DESC LIMIT 5"""
_QUERY = f"%%sql tidb\n{_STATEMENT}"
_HOURS = """%%sql
hours <<
SELECT hour, origin, AVG(dep_delay) AS delay
FROM flights
WHERE origin IN (:airports) AND dep_delay IS NOT NULL
GROUP BY hour, origin"""
_PLOT = """import matplotlib.pyplot as plt

delays = hours.pivot(index="hour", columns="origin", values="delay")
delays.plot(figsize=(8, 2.6), xticks=range(6, 24, 3), marker="o")
plt.ylabel("Mean delay (minutes)");"""
# No cell looks as if it were being edited.
_STYLE = """
.jp-cell-toolbar, .jp-Collapser { visibility: hidden !important; }
.jp-Notebook .jp-Cell, .jp-Notebook .jp-Cell::before, .jp-Notebook .jp-Cell::after {
    border-color: transparent !important; outline: none !important; box-shadow: none !important;
}
.jp-Notebook .jp-InputPrompt, .jp-Notebook .jp-OutputPrompt { color: var(--jp-ui-font-color2) !important; }
"""
# The end of the last cell; the space that Lab leaves below it is for scrolling.
_END = """() => {
    document.querySelectorAll('.jp-WindowedPanel-outer').forEach(each => { each.scrollTop = 0 });
    const cells = document.querySelectorAll('.jp-Notebook .jp-Cell');
    return Math.ceil(cells[cells.length - 1].getBoundingClientRect().bottom);
}"""
_MILLISECONDS = 60_000.0
_TALL, _MARGIN = 5000, 60  # The margin holds Lab's status bar, which is not in the picture.


def _look(_notebook: OpenNotebook) -> None:
    """Do nothing."""


def _form(notebook: OpenNotebook) -> FormPage:
    return FormPage(notebook.output("cell-1"))


def _list(notebook: OpenNotebook) -> None:
    """Wait for the clusters."""
    expect(_form(notebook).field("Cluster").locator("option").first).to_be_attached()


def _plan(notebook: OpenNotebook) -> None:
    """Choose cluster and security group, and check the plan."""
    form = _form(notebook)
    form.choose()
    form.place()


def _stop(notebook: OpenNotebook) -> None:
    """Choose two security groups that an endpoint cannot combine, and an invalid name."""
    _plan(notebook)
    form = _form(notebook)
    form.field("Security groups").select_option([GROUP, "enterprise (sg-t4nenterprise)"])
    expect(form.outcome("plan")).to_contain_text("create refuses")
    form.field("Endpoint name").fill("1st endpoint")
    form.field("Endpoint name").blur()
    expect(form.error("name")).to_contain_text("letters")
    form.rests()


def _wait(notebook: OpenNotebook) -> None:
    """Create the endpoint, and wait for it."""
    form = _form(notebook)
    form.create()
    expect(form.outcome("wait")).to_contain_text("Creating")


def _query(notebook: OpenNotebook) -> None:
    """Run all steps up to a DataFrame."""
    form = _form(notebook)
    form.create()
    expect(form.outcome("wait")).to_contain_text("Endpoint ready")
    form.field("Database").fill(DATABASE)
    form.connect()
    expect(form.outcome("connect")).to_contain_text("Connected to")
    form.ask(_STATEMENT)
    form.shows_rows()
    form.rests()
    form.field("First query").blur()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The content of one picture.

    Attributes:
        cells: sources, run one after the other.
        act: the user's actions; returns when the page shows the result.
        seconds: until an endpoint is Connected.
        width: of the browser's window, in pixels.
        first: the first cell in the picture; the cells before it prepare its content.
    """

    cells: tuple[str, ...]
    act: Callable[[OpenNotebook], None] = _look
    dark: bool = False
    seconds: float = 3.0
    width: int = 1000
    first: int = 0


_WAY = (_LOAD, f"%tidb_pe create {_NETWORK};", "%tidb_pe wait;", "%tidb_pe connect --database nycflights13;")
_FORM = ("%load_ext tidb_pe_magic", "%tidb_pe form")
# By the names of their files.
SCENES = {
    "runbook": Scene(
        cells=("%load_ext tidb_pe_magic", "%tidb_pe run demo --database nycflights13", _QUERY),
    ),
    "explore": Scene(
        cells=(
            "%load_ext tidb_pe_magic\n%tidb_pe run demo --database nycflights13;",
            'airports = ["EWR", "JFK", "LGA"]',
            _HOURS,
            _PLOT,
            "%tidb_pe load hours --table delays_by_hour",
        ),
        first=1,
    ),
    "status-dark": Scene(cells=(*_WAY, "%tidb_pe status"), dark=True, first=4),
    "wait-narrow": Scene(cells=(*_WAY[:2], "%tidb_pe wait"), width=700, first=2),
    "form-choose": Scene(cells=_FORM, act=_list, first=1),
    "form-create": Scene(cells=_FORM, act=_plan, first=1),
    "form-stop-dark": Scene(cells=_FORM, act=_stop, first=1, dark=True),
    "form-wait-narrow": Scene(cells=_FORM, act=_wait, first=1, width=700, seconds=600.0),
    "form-query": Scene(cells=_FORM, act=_query, first=1),
}


def main() -> None:
    """Create the named pictures, or all."""
    parser = argparse.ArgumentParser(prog="make pictures", description=__doc__)
    parser.add_argument("scene", nargs="*", help=f"of {', '.join(SCENES)} (default: all)")
    wanted = parser.parse_args().scene or list(SCENES)
    unknown = set(wanted) - set(SCENES)
    if unknown:
        parser.error(f"unknown scene {', '.join(sorted(unknown))}")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        parser.error("chromium is not installed: sudo apt-get install chromium")
    expect.set_options(timeout=_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = launch(playwright, program)
        for name in wanted:
            path = IMAGES / f"{name}.png"
            _make(browser, SCENES[name], path)
            sys.stdout.write(f"{path.name}: {path.stat().st_size // 1000} kB\n")
        browser.close()


def _make(browser: Browser, scene: Scene, path: Path) -> None:
    """Create one picture, with its own clouds and server, so that scenes do not affect each other."""
    cells = {f"cell-{number}": source for number, source in enumerate(scene.cells)}
    with (
        tempfile.TemporaryDirectory() as directory,
        Sandbox(mode="time", seconds=scene.seconds) as sandbox,
        browser.new_page(viewport={"width": scene.width, "height": 900}) as page,
    ):
        notebooks, private = Path(directory) / "notebooks", Path(directory) / "private"
        notebooks.mkdir()
        with Lab(notebooks, private, sandbox.environment()) as lab:
            notebook = lab.open(page, lab.write("flights.ipynb", **cells))
            theme = "JupyterLab Dark" if scene.dark else "JupyterLab Light"
            notebook.command("apputils:change-theme", theme=theme)
            page.set_default_timeout(_MILLISECONDS)
            if not notebook.run_all():
                raise AssertionError(
                    f"{path.name}: a cell failed: {page.locator('.jp-Notebook').inner_text()}"
                )
            scene.act(notebook)
            for number in range(scene.first):
                notebook.cell(f"cell-{number}").evaluate("cell => { cell.style.display = 'none' }")
            notebook.save()
            notebook.tidy()
            page.add_style_tag(content=_STYLE)
            # With all of it in the window, the page does not scroll.
            page.set_viewport_size({"width": scene.width, "height": _TALL})
            page.set_viewport_size({"width": scene.width, "height": page.evaluate(_END) + _MARGIN})
            page.locator("#jp-main-dock-panel").screenshot(path=path)
    with Image.open(path) as picture:
        # This number of colors is enough for windows, and halves the size.
        picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        raise AssertionError(f"{path.name} has {path.stat().st_size} bytes, more than {MOST_BYTES}")


if __name__ == "__main__":
    main()
