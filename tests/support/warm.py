"""Python processes that start warm: forks of a server that has imported pandas, jupysql, IPython and others.

A cold start spends most of its processor time on these imports. A fork is a process of its own, with its own
variables, directory, session, streams and PID. It imports `tidb_pe_magic` and Alibaba Cloud's SDK itself. Use
it where the start is not the claim:

    done = warm.run([sys.executable, "-m", "tidb_pe_magic", "clusters"], env=environment)
    with warm.Popen([PROGRAM, "wait"], env=environment, stdout=subprocess.PIPE, text=True) as process: ...
    manager = warm.KernelManager(kernel_name="python3")

Exit functions run, but the interpreter takes no modules apart: what it complains of then is for a cold start.
A process whose interpreter would start differently starts cold: with options such as `-X dev`, with most
`PYTHON...` variables, with another locale, or as another program. With the variable COLD_START everything
starts cold, and the tests pass too.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, AnyStr

from jupyter_client import manager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jupyter_client.connect import KernelConnectionInfo

#: Variables of this process that a process with an environment of its own must have to start warm.
START = ("LANG", "LC_ALL", "LC_CTYPE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_SECONDS = 120.0
# Variables that the server obeys after the fork.
_FOLLOWED = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED"}
_SCRIPT = f"#!{sys.executable}\n".encode()


class _Server:
    """Where the server listens; empty: there is none."""

    path = ""


def use(path: str) -> None:
    """Use the server that listens at this path."""
    _Server.path = path


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Run a server, and yield its path. It imports the packages for the first process."""
    if "COLD_START" in os.environ or not hasattr(os, "pidfd_open"):
        yield ""
        return
    place = Path(tempfile.mkdtemp(prefix="warm-"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # A thread of openblas would not be in a fork.
    own = {"HOME": str(place), "IPYTHONDIR": str(place), "MPLBACKEND": "", "OPENBLAS_NUM_THREADS": "1"}
    path, program = place / "socket", Path(__file__).with_name("warm_server.py")
    with subprocess.Popen(
        [sys.executable, str(program), str(path)],
        stdin=subprocess.PIPE,
        env=kept | own,
        cwd=place,
        start_new_session=True,
    ) as server:
        use(str(path))
        try:
            yield str(path)
        finally:
            use("")
            server.communicate()
            shutil.rmtree(place)


class Popen(subprocess.Popen[AnyStr]):
    """`subprocess.Popen`, with a process that starts warm where that makes no difference.

    Not for `shell`, `preexec_fn`, `pass_fds` and other users. The process has a session of its own, and is
    killed when nothing refers to this object any longer.
    """

    _connection: socket.socket | None = None

    def _execute_child(self, args: Any, *options: Any) -> None:
        cwd, env = options[4:6]
        arguments = _python([os.fspath(word) for word in args])
        variables = dict(os.environ if env is None else env)
        if not _Server.path or arguments is None or not _same_start(variables):
            super()._execute_child(args, *options)  # type: ignore[misc] # not in the type information
            return
        reading, _, _, writing, _, writing_errors = pipes = options[9:15]
        streams = [
            given if given != -1 else own
            for given, own in zip((reading, writing, writing_errors), range(3), strict=True)
        ]
        job = {
            "words": arguments,
            "environment": variables,
            "directory": str(Path(cwd or Path.cwd()).resolve()),
        }
        text = json.dumps(job).encode()
        self._connection = _connected()
        socket.send_fds(self._connection, [len(text).to_bytes(8, "big")], streams)
        self._connection.sendall(text)
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]
        number = self._number()
        assert number is not None
        self.pid = number
        self._child_created = True

    def _number(self, flags: int = 0) -> int | None:
        """Return the server's next number: the PID, then the exit status. None: not yet."""
        assert self._connection is not None
        try:
            text = self._connection.recv(4, flags)
        except BlockingIOError:
            return None
        if len(text) != 4:
            raise RuntimeError("the server of warm processes has ended")
        return int.from_bytes(text, "big", signed=True)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._connection is None:
            waited: tuple[int, int] = super()._try_wait(wait_flags)  # type: ignore[misc]
            return waited
        code = self._number(socket.MSG_DONTWAIT if wait_flags & os.WNOHANG else 0)
        if code is None:
            return 0, 0
        self._connection.close()
        return self.pid, -code if code < 0 else code << 8

    def _internal_poll(self, *given: Any, **named: Any) -> int | None:
        if self._connection is None:
            polled: int | None = super()._internal_poll(*given, **named)  # type: ignore[misc]
            return polled
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):  # type: ignore[attr-defined]
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


def _connected() -> socket.socket:
    """Return a connection to the server, which may still be starting."""
    connection = socket.socket(socket.AF_UNIX)
    until = time.monotonic() + _SECONDS
    while True:
        try:
            connection.connect(_Server.path)
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return connection


def _python(words: Sequence[str]) -> list[str] | None:
    """Return the interpreter's arguments, or None if it is another program or has options."""
    if words[0] == sys.executable:
        arguments = list(words[1:])
    else:
        with contextlib.suppress(OSError), Path(words[0]).open("rb") as file:
            if file.readline() == _SCRIPT:
                return list(words)
        return None
    plain = bool(arguments) and (arguments[0] in {"-c", "-m"} or not arguments[0].startswith("-"))
    return arguments if plain else None


def _same_start(variables: Mapping[str, str]) -> bool:
    """Return whether an interpreter with these variables starts like the server, which has this process's."""
    options = [name for name in variables if name.startswith("PYTHON") and name not in _FOLLOWED]
    return not options and _read_at_start(variables) == _read_at_start(os.environ)


def _read_at_start(variables: Mapping[str, str]) -> list[str]:
    get = variables.get
    locale = get("LC_ALL") or get("LC_CTYPE") or get("LANG") or ""
    return [locale, *(get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "MATPLOTLIBRC"))]


def run(
    words: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    given: str | int = subprocess.DEVNULL,
    timeout: float = _SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run a process to its end, and return its output as UTF-8 text.

    Args:
        words: the program and its arguments.
        env: all of its variables; default: those of this process.
        cwd: its directory; default: that of this process.
        given: a text for its standard input, or a descriptor; default: empty.
        timeout: seconds after which it is killed.

    Raises:
        subprocess.TimeoutExpired: it has been killed.
    """
    with Popen(
        words,
        env=env,
        cwd=cwd,
        stdin=subprocess.PIPE if isinstance(given, str) else given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            output, errors = process.communicate(given if isinstance(given, str) else None, timeout=timeout)
        finally:
            if process.poll() is None:
                process.kill()
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


class _Provisioner(LocalProvisioner):
    """Starts a kernel's process warm."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the process. The server ends it with the test; ipykernel need not look for its parent."""
        cwd = kwargs.get("cwd", Path.cwd())
        words = [sys.executable, *cmd[1:]]
        self.process = Popen(
            words, stdin=subprocess.DEVNULL, env=kwargs["env"], cwd=cwd, start_new_session=True
        )
        self.pid = self.pgid = self.process.pid
        self.cwd = cwd
        return self.connection_info


class _Warm(manager.KernelManager):
    """A kernel manager whose kernels start warm."""

    async def _async_pre_start_kernel(self, **kw: Any) -> tuple[list[str], dict[str, Any]]:
        self.kernel_id = self.kernel_id or kw.pop("kernel_id", str(uuid.uuid4()))
        if self.provisioner is None:
            self.provisioner = _Provisioner(
                kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self
            )
        return await super()._async_pre_start_kernel(**kw)


class KernelManager(_Warm, manager.KernelManager):
    """`jupyter_client`'s, with kernels that start warm."""


class AsyncKernelManager(_Warm, manager.AsyncKernelManager):
    """nbclient's kernel manager, with kernels that start warm."""
