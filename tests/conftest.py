"""Servers shared by several test packages, each started once: MariaDB with and without TLS, and sandboxes."""

from __future__ import annotations

import contextlib
import gc
import itertools
import signal
from typing import TYPE_CHECKING, Any

import hypothesis
import keyring
import keyring.backends.null
import pytest
from support import warm
from support.certificates import make_authority
from support.mariadb import running
from support.schedule import LongestFirst, place, shift, sort_by_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from support.certificates import Authority
    from support.mariadb import MariaDb
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

    from tidb_pe_magic.sandbox import Sandbox
    from tidb_pe_magic.sandbox.pytest_plugin import Sandboxes

# `nohup make test &` ignores Control-C, which some tests send, and every process inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Collecting imports all of the tests and what they use, of which nothing is garbage.
gc.disable()

# A shared machine can be slow. A commit is always tested with the same examples; `make search` draws others.
hypothesis.settings.register_profile("same", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None, max_examples=50, derandomize=False)
hypothesis.settings.load_profile("same")


_NEW_OBJECTS = 20_000
_SERVING = pytest.StashKey[contextlib.ExitStack]()
_SERVER = pytest.StashKey[str]()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let each process of pytest-xdist collect another part first."""
    report = yield
    if isinstance(collector, pytest.Dir):
        shift(report, collector.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Run the slowest tests first, in the same order in each process."""
    sort_by_file(items)
    yield
    items.sort(key=lambda item: place(item.nodeid))


def pytest_collection_finish() -> None:
    """Keep the garbage collector away from what lives as long as the process.

    The tests and the modules behind them are a million objects, and each shell that ends collects garbage.
    """
    gc.freeze()
    # Many tests build sandboxes and parse SQL, and make many objects that no cycle holds.
    gc.set_threshold(_NEW_OBJECTS)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Give them back: some extension modules complain of what is never collected.

    Not before pytest's own collection, which looks for errors in what the tests have left.
    """
    gc.unfreeze()
    config.stash[_SERVING].close()


def pytest_configure(config: pytest.Config) -> None:
    """Start the server of warm processes, which pytest's own processes share."""
    config.stash[_SERVING] = serving = contextlib.ExitStack()
    if hasattr(config, "workerinput"):
        warm.use(config.workerinput["warm"])
    else:
        config.stash[_SERVER] = serving.enter_context(warm.serving())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell a process of pytest-xdist where the server is."""
    node.workerinput["warm"] = node.config.stash[_SERVER]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LongestFirst | None:
    """Let each process start the longest remaining file."""
    return LongestFirst(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Provide the authority that issued the TLS server's certificate."""
    return make_authority("tests authority", tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def tls_server(authority: Authority) -> Iterator[MariaDb]:
    """Provide a server whose certificate is for 127.0.0.1."""
    with running(authority) as server:
        yield server


@pytest.fixture(scope="session")
def plain_server() -> Iterator[MariaDb]:
    """Provide a server without TLS."""
    with running() as server:
        yield server


@pytest.fixture
def lend(_tidb_pe_sandboxes: Sandboxes) -> Callable[..., Sandbox]:
    """Return a function that returns a sandbox in its initial state, with 20 flights and options.

    Calls with the same number of flights share one sandbox: a test that needs two asks for different numbers.
    """

    def lend(*, flights: int | None = 20, **options: Any) -> Sandbox:
        return _tidb_pe_sandboxes.lend(flights=flights, **({"upstream": None, "fleet": 0} | options))

    return lend


@pytest.fixture(scope="session")
def _states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Provide paths of state directories, which only few of the tests create."""
    directory = tmp_path_factory.mktemp("states")
    return (directory / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_state(_states: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep journals and locks of the tests out of the user's state directory, and apart from each other."""
    monkeypatch.setenv("XDG_STATE_HOME", str(next(_states)))


@pytest.fixture(autouse=True)
def _own_keyring() -> Iterator[None]:
    """Keep the tests out of the user's keyring."""
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.null.Keyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)
