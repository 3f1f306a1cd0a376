"""Prompts for a password or a confirmation, and checks whether a user can answer."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.credentials.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Prompt:
    """Asks for a password if a user can answer.

    Attributes:
        read: asks, and returns the answer.
        answerable: False if it is known that no user can answer.
    """

    read: Callable[[str], Secret]
    answerable: Callable[[], bool]

    def __call__(self, question: str) -> Secret:
        """Ask.

        Raises:
            MissingCredentials: no user can answer.
        """
        if not self.answerable():
            raise no_answer_possible()
        return self.read(question)


def check(prompt: Callable[[str], Secret]) -> None:
    """Raise the error of a prompt that no user can answer, without asking.

    Raises:
        MissingCredentials: no user can answer.
    """
    if isinstance(prompt, Prompt) and not prompt.answerable():
        raise no_answer_possible()


def no_answer_possible() -> errors.MissingCredentials:
    """Return the error for a password prompt that no user can answer."""
    return errors.MissingCredentials(
        "SQL password",
        (
            "the passwords stored by sql-user",
            "TIDB_PASSWORD in the environment",
            "a prompt, but this process has no terminal or notebook to ask in",
        ),
        advice="Set TIDB_PASSWORD before this program starts, or use --password-from env:NAME, "
        "keyring:SERVICE or file:PATH",
    )


def _read(question: str) -> Secret:
    from getpass import getpass  # noqa: PLC0415 - looked up late: kernels replace it

    try:
        return Secret(getpass(question))
    # NotImplementedError: the kernel runs without a front end.
    except (EOFError, NotImplementedError, OSError):
        raise no_answer_possible() from None


def _is_answerable() -> bool:
    """Return whether `getpass` can be answered: by a front end, at the terminal, or on standard input."""
    from getpass import getpass  # noqa: PLC0415 - looked up late: kernels replace it

    parent = getattr(getattr(getpass, "__self__", None), "get_parent", None)
    if parent is not None:  # in a kernel, the front end sends with each cell whether it can answer
        return parent("shell").get("content", {}).get("allow_stdin") is not False
    if getattr(getpass, "__module__", "") != "getpass" or os.name != "posix":
        return True  # replaced by a front end, or a console that cannot be checked here
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return sys.stdin is not None and not _is_null_device()
    return True


def _is_null_device() -> bool:
    """Return whether standard input is a device but not a terminal, as for services and containers."""
    try:
        return stat.S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode) and not sys.stdin.isatty()
    except (OSError, ValueError):
        return False


def ask_yes_no(question: str) -> bool:
    """Ask a yes-or-no question; every answer except yes means no.

    Raises:
        EOFError: no user can answer.
    """
    # In a kernel, `input` asks the front end; elsewhere, a terminal.
    if not (_asks_front_end() or (sys.stdin is not None and sys.stdin.isatty())):
        raise EOFError(question)
    try:
        answer = input(f"{question} [y/N] ")
    except (NotImplementedError, OSError):  # the kernel runs without a front end
        raise EOFError(question) from None
    return answer.strip().lower() in {"y", "yes"}


def _asks_front_end() -> bool:
    """Return whether this is a kernel whose front end can answer questions of the current cell."""
    from getpass import getpass  # noqa: PLC0415 - looked up late: kernels replace it

    return hasattr(getattr(getpass, "__self__", None), "get_parent") and _is_answerable()


ask = Prompt(_read, _is_answerable)
"""Asks at the terminal, or through the notebook's input channel."""
