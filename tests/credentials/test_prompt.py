"""Whether a user can answer a prompt is known before the prompt."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
from tidb_pe_magic import MissingCredentials
from tidb_pe_magic.credentials.prompt import ask
print(ask.answerable())
try:
    print(ask("Password: ").reveal())
except MissingCredentials as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("typed", "answerable", "then"), [(None, "False", "no SQL password found"), ("typed\n", "True", "typed")]
)
def test_a_program_without_terminal_may_be_answered_by_a_pipe_alone(
    typed: str | None, answerable: str, then: str
) -> None:
    """A service's null device cannot answer a prompt, which is known in advance; a pipe can, and is read."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        stdin=subprocess.DEVNULL if typed is None else None,
        input=typed,
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,  # without the terminal of the test run
    )
    first, second = done.stdout.splitlines()
    assert first == answerable
    assert second.startswith(then)


def test_a_front_ends_own_way_to_ask_is_used() -> None:
    """A kernel that replaces getpass's function answers prompts, whatever its standard input is."""
    own = "import getpass\ngetpass.getpass = lambda question: 'typed'\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", own + PROGRAM],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    assert done.stdout.splitlines() == ["True", "typed"]
