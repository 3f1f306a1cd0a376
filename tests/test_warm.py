"""A process that starts warm is as separate as one that starts cold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import warm

PROGRAM = str(Path(sys.executable).with_name("tidb-pe"))
STATE = """
import json, os, sys, threading, time
ours = [name for name in sys.modules if name.startswith(("tidb_pe_magic", "alibabacloud"))]
print(json.dumps({
    "argv": sys.argv, "path": sys.path, "name": __name__, "zone": time.tzname[0], "ours": ours,
    "environ": dict(os.environ), "directory": os.getcwd(), "typed": sys.stdin.read(),
    "descriptors": len(os.listdir("/proc/self/fd")), "threads": len(threading.enumerate()),
    "pid": os.getpid(), "session": os.getsid(0), "warm": "pandas" in sys.modules,
}))
"""


def _state(words: list[str], place: Path, environment: dict[str, str]) -> dict[str, object]:
    done = warm.run([sys.executable, *words], env=environment, cwd=place, given="typed")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", ["-c", "-m", "file"])
def test_a_fork_equals_a_cold_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Arguments, path, variables, zone, directory and descriptors are the same; ours are not loaded."""
    (tmp_path / "program.py").write_text(STATE, encoding="utf-8")
    words = {"-c": ["-c", STATE], "-m": ["-m", "program"], "file": [str(tmp_path / "program.py")]}[kind]
    environment = {
        "PATH": os.environ["PATH"],
        "TZ": "Asia/Jakarta",
        "OWN": "ä",
        "PYTHONPATH": str(tmp_path / "other"),
    }
    environment |= {name: os.environ[name] for name in warm.START if name in os.environ}
    fork = _state([*words, "more"], tmp_path, environment)
    with monkeypatch.context() as patch:
        patch.setattr(warm._Server, "path", "")
        cold = _state([*words, "more"], tmp_path, environment)
    assert (fork["warm"], cold["warm"]) == (bool(warm._Server.path), False)
    assert fork["pid"] == fork["session"] or not fork["warm"]
    for name in ("pid", "session", "warm"):
        del fork[name], cold[name]
    assert fork == cold
    assert fork["ours"] == []


def test_an_end_is_known_as_of_any_process() -> None:
    """A test waits for the exit code, an unhandled exception or the signal, and can send signals itself."""
    assert warm.run([sys.executable, "-c", "import sys; sys.exit(7)"]).returncode == 7
    failed = warm.run([sys.executable, "-c", "1 / 0"])
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
    program = "print('ready', flush=True); import threading; threading.Event().wait()"
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        with warm.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert process.poll() is None
            process.send_signal(number)
            assert process.wait(60) == process.poll() == -number
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run([sys.executable, "-c", program], timeout=0.1)


def test_several_run_at_once() -> None:
    """Each has its own streams, and the order in which they end does not matter."""
    program = "import sys; print(sys.stdin.readline())"
    processes = [
        warm.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    assert len({process.pid for process in processes}) == 5
    for number in (3, 1, 4, 0, 2):
        assert processes[number].communicate(f"to {number}\n", timeout=60)[0] == f"to {number}\n\n"


def test_an_abandoned_process_is_killed() -> None:
    """A process that a test leaves behind ends."""
    reading, writing = os.pipe()
    program = "import threading; threading.Event().wait()"
    with open(reading, "rb") as end:  # noqa: PTH123 - a descriptor
        process = warm.Popen([sys.executable, "-c", program], stdout=writing)
        os.close(writing)
        if process._connection is None:
            process.kill()
            process.wait()
        else:
            process.returncode = 0  # as far as Popen's warning is concerned
            process._connection.close()
        assert end.read() == b""


def test_another_start_is_cold() -> None:
    """Options of the interpreter, its variables and another locale have their effect."""
    dev = warm.run([sys.executable, "-X", "dev", "-c", "import sys; print(sys.flags.dev_mode)"])
    assert dev.stdout == "True\n"
    program = "import sys; print(sys.stdout.errors, 'pandas' in sys.modules)"
    for variables in ({"PYTHONIOENCODING": ":replace"}, {"LC_ALL": "POSIX"}):
        done = warm.run([sys.executable, "-c", program], env=os.environ | variables)
        assert done.stdout in {"replace False\n", "surrogateescape False\n"}
    assert warm.run(["cat"], given="typed").stdout == "typed"


def test_a_script_of_the_environment_starts_warm() -> None:
    """The console command is such a script, and a start from a thread is possible."""
    outputs: list[str] = []
    thread = threading.Thread(target=lambda: outputs.append(warm.run([PROGRAM, "--version"]).stdout))
    thread.start()
    thread.join()
    assert outputs[0].startswith("tidb-pe ")
    assert warm._python([PROGRAM, "--version"]) == [PROGRAM, "--version"]
