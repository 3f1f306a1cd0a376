"""A program `aliyun` for tests, which passes its arguments to a function of the test.

It replaces the Alibaba Cloud CLI: the scripts run in a real shell, and a flag that the CLI would
refuse by its metadata is refused here, before anything is asked.
"""

from __future__ import annotations

import json
import re
import socket
import socketserver
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from exports.cli_metadata import GLOBAL, METADATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

# For sh its second line starts Python, whose path may have spaces; for Python it is a string.
_PROGRAM = """#!/bin/sh
'''exec' "{python}" -SE "$0" "$@"
' '''
import json, socket, sys
with socket.create_connection(("127.0.0.1", {port})) as place:
    place.sendall(json.dumps(sys.argv[1:]).encode() + b"\\n")
    code, out = json.loads(place.makefile().read())
print(out, file=sys.stderr if code else sys.stdout)
sys.exit(code)
"""
_LIST = re.compile(r"(\w+)\.(\d+)(?:\.(\w+))?")


@dataclass(frozen=True)
class Call:
    """A command: product, operation, and the words of each option."""

    product: str
    operation: str
    options: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, words: list[str]) -> Call:
        """Read the words after the program's name."""
        product, operation, *rest = words
        options: dict[str, tuple[str, ...]] = {}
        name = ""
        for word in rest:
            if word.startswith("--"):
                name = word.removeprefix("--")
                assert name not in options, f"{name} is given twice"
                options[name] = ()
            else:
                options[name] = (*options[name], word)
        return cls(product, operation, options)

    @property
    def fields(self) -> dict[str, Any]:
        """The API's own parameters, with lists combined as the SDK expects them."""
        found: dict[str, Any] = {}
        for name, words in self.options.items():
            if name in GLOBAL:
                continue
            (value,) = words
            listed = _LIST.fullmatch(name)
            if not listed:
                found[name] = value
                continue
            items = found.setdefault(listed[1], [])
            number = int(listed[2])
            if listed[3] is None:
                assert number == len(items) + 1
                items.append(value)
            else:
                assert number in {len(items), len(items) + 1}
                if number > len(items):
                    items.append({})
                items[-1][listed[3]] = value
        return found

    @property
    def waits_for(self) -> tuple[str, str] | None:
        """The field and the value that --waiter polls for."""
        if "waiter" not in self.options:
            return None
        terms = dict(word.split("=", 1) for word in self.options["waiter"])
        assert set(terms) <= {"expr", "to", "timeout", "interval"}
        assert 1 <= int(terms.get("timeout", "180")) <= 600
        return terms["expr"], terms["to"]


@dataclass
class Ran:
    """A script's output and exit status."""

    code: int
    output: str
    errors: str
    calls: list[Call] = field(default_factory=list)


def run(script: str, answer: Callable[[Call], Mapping[str, Any]], place: Path, **environment: str) -> Ran:
    """Run a script with the stand-in first on PATH.

    Args:
        script: for `sh`.
        answer: returns a call's answer; a LookupError is an error of the API.
        place: an empty directory.
        environment: further variables.
    """
    with _listening(answer) as (port, calls):
        program = place / "aliyun"
        program.write_text(_PROGRAM.format(python=sys.executable, port=port), encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        done = subprocess.run(
            ["sh"],
            input=script,
            env={"PATH": f"{place}:/usr/bin:/bin", **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    return Ran(done.returncode, done.stdout, done.stderr, calls)


def _answered(call: Call, answer: Callable[[Call], Mapping[str, Any]]) -> tuple[int, str]:
    """Return the program's exit status and what it prints."""
    try:
        body = answer(call)
    except LookupError as error:
        return 1, str(error)
    waited = call.waits_for
    if waited and body[waited[0]] != waited[1]:
        return 1, f"{waited[0]} is {body[waited[0]]}"
    return 0, json.dumps(body, indent="\t")


@contextmanager
def _listening(answer: Callable[[Call], Mapping[str, Any]]) -> Iterator[tuple[int, list[Call]]]:
    calls: list[Call] = []

    class Handler(socketserver.StreamRequestHandler):
        """One call."""

        def handle(self) -> None:
            call = Call.of(json.loads(self.rfile.readline()))
            code, out = 1, METADATA[call.product, call.operation].refusal(set(call.options))
            if not out:
                calls.append(call)
                code, out = _answered(call, answer)
            self.wfile.write(json.dumps([code, out]).encode())
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1], calls
        finally:
            server.shutdown()
            thread.join()
