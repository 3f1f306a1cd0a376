"""The program behind `support.warm`: it imports packages of others once, and forks for each process.

It has one thread, so that a fork is safe; jemalloc's thread, which pyarrow starts, handles forks. It never
imports `tidb_pe_magic` or Alibaba Cloud's SDK.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import time
import types
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn

# Two of them read the environment on import: aiohttp reads SSL_CERT_FILE (see `support.warm`), and matplotlib
# reads what `_read_backend` reads again.
PACKAGES = (
    "IPython.terminal.ipapp",
    "aiohttp",
    "apscheduler.schedulers.background",
    "cryptography.x509",
    "duckdb",
    "filelock",
    "flask",
    "httpx",
    "importlib.metadata",
    "ipykernel.kernelapp",
    "ipywidgets",
    "matplotlib.pyplot",
    "nbclient",
    "nbformat",
    "pandas",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
    "pydantic",
    "pymysql",
    "requests",
    "sql.magic",
    "sqlalchemy.dialects.mysql",
    "sqlglot",
)
_BACKEND, _OF_NOTEBOOKS = "MPLBACKEND", "module://matplotlib_inline.backend_inline"


@dataclass(frozen=True)
class Job:
    """A process that a test has requested.

    Attributes:
        words: the interpreter's arguments: `-m MODULE`, `-c PROGRAM` or a file, then the program's own.
        environment: all of its variables.
        directory: its current directory.
    """

    words: list[str]
    environment: dict[str, str]
    directory: str


class _Process:
    """A forked process, and the connection of the test that has requested it."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.connection = connection
        self.pid = pid
        self.ended = os.pidfd_open(pid)

    def report(self) -> None:
        """Send the exit status. Until the test closes the connection, the process remains a zombie."""
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        assert found is not None
        status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        with contextlib.suppress(BrokenPipeError):  # the test has ended
            _send(self.connection, status)

    def reap(self) -> None:
        """Kill the process if it is still running."""
        signal.pidfd_send_signal(self.ended, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.close()

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self.ended)
        self.connection.close()


class Server:
    """Forks for each connection."""

    def __init__(self, listener: socket.socket) -> None:
        """Take the socket, which this server closes."""
        self._listener = listener
        self._processes: set[_Process] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._selector.register(listener, selectors.EVENT_READ)
        self._imported = False

    def serve(self) -> Job | None:
        """Return the job in each fork, and None in the server itself after the end of standard input."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin:
                    for process in self._processes:
                        process.reap()
                    return None
                if key.fileobj is self._listener:
                    job = self._accept()
                    if job is not None:
                        return job
                else:
                    self._hear(key.data, key.fileobj)

    def _accept(self) -> Job | None:
        connection, _ = self._listener.accept()
        job, streams = _receive(connection)
        if not self._imported:
            _import_packages()
            self._imported = True
        pid = _fork()
        if pid == 0:
            self._selector.close()
            self._listener.close()
            connection.close()
            for process in self._processes:
                process.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
        for stream in streams:
            os.close(stream)
        if pid == 0:
            return job
        process = _Process(connection, pid)
        self._processes.add(process)
        self._selector.register(connection, selectors.EVENT_READ, process)
        self._selector.register(process.ended, selectors.EVENT_READ, process)
        with contextlib.suppress(BrokenPipeError):  # the test has ended
            _send(connection, pid)
        return None

    def _hear(self, process: _Process, of: object) -> None:
        """Report the end of the process, or reap it when the test has closed its connection."""
        if process not in self._processes:  # both at once
            return
        if of == process.ended:
            self._selector.unregister(process.ended)
            process.report()
            return
        self._selector.unregister(process.connection)
        with contextlib.suppress(KeyError):  # reported before
            self._selector.unregister(process.ended)
        process.reap()
        self._processes.remove(process)


def _send(connection: socket.socket, number: int) -> None:
    connection.sendall(number.to_bytes(4, "big", signed=True))


def _receive(connection: socket.socket) -> tuple[Job, list[int]]:
    """Read a job and its three standard streams."""
    head, streams, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as file:
        text = file.read(int.from_bytes(head, "big"))
    return Job(**json.loads(text)), streams


def _import_packages() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in PACKAGES:
            with contextlib.suppress(ModuleNotFoundError):  # the test that needs it reports it
                importlib.import_module(name)
    gc.collect()
    gc.freeze()
    # Some extension modules complain of what is never collected.
    atexit.register(gc.unfreeze)


def _fork() -> int:
    with warnings.catch_warnings():
        # Python counts jemalloc's thread.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        return os.fork()


def become(job: Job) -> NoReturn:
    """Run the job in this process."""
    os.setsid()
    os.chdir(job.directory)
    os.environ.clear()
    os.environ.update(job.environment)
    time.tzset()
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    _open_streams(unbuffered=bool(os.environ.get("PYTHONUNBUFFERED")))
    _read_backend(kernel=job.words[:2] == ["-m", "ipykernel_launcher"])
    try:
        _run(job.words)
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - shown as the interpreter shows it
        sys.excepthook(*sys.exc_info())
        code = -signal.SIGINT if isinstance(sys.exception(), KeyboardInterrupt) else 1
    else:
        code = 0
    _end(code)


def _end(code: object) -> NoReturn:
    """End this process as the interpreter does, except that all modules and objects stay as they are.

    To take a million of them apart would take longer than most of the programs.
    """
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does
        code = 1
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # none, or closed
            stream.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit((code or 0) & 0xFF)


def _open_streams(*, unbuffered: bool) -> None:
    """Open the standard streams as Python does when it starts."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before = getattr(sys, name)
        stream = open(  # noqa: SIM115 - open until the process ends
            number,
            "w" if number else "r",
            buffering=1 if name == "stderr" else -1,
            encoding=before.encoding,
            errors=before.errors,
            closefd=False,
        )
        if unbuffered and number:
            stream.reconfigure(write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _read_backend(*, kernel: bool) -> None:
    """Read the variable that matplotlib reads on import, and that ipykernel sets before if it is unset."""
    backend = os.environ.get(_BACKEND) or (_OF_NOTEBOOKS if kernel else "")
    if backend and "matplotlib" in sys.modules:
        sys.modules["matplotlib"].rcParams["backend"] = backend


def _run(words: list[str]) -> None:
    """Run the program as the interpreter does."""
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    match words:
        case ["-c", program, *_]:
            sys.argv = ["-c", *words[2:]]
            sys.path[0] = ""
            exec(compile(program, "<string>", "exec"), main.__dict__)  # noqa: S102 - as `python -c` does
        case ["-m", module, *_]:
            sys.argv = ["-m", *words[2:]]
            sys.path[0] = str(Path.cwd())
            runpy._run_module_as_main(module)  # type: ignore[attr-defined] # as `python -m` does
        case [file, *_]:
            sys.argv = words
            sys.path[0] = str(Path(file).parent.resolve())
            main.__file__ = file
            exec(compile(Path(file).read_bytes(), file, "exec"), main.__dict__)  # noqa: S102 - as `python FILE` does


def main() -> None:
    """Listen at the path that is the first argument."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    job = Server(listener).serve()
    if job is not None:
        become(job)


if __name__ == "__main__":
    main()
