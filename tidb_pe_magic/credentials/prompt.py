"""Asking a person for a password or a yes, and telling beforehand whether there is one."""

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
    """Asks for a password where somebody may answer.

    Attributes:
        read: asks, and returns the answer.
        somebody: False where it is known that nobody would answer.
    """

    read: Callable[[str], Secret]
    somebody: Callable[[], bool]

    def __call__(self, question: str) -> Secret:
        """Ask.

        Raises:
            MissingCredentials: nobody can be asked.
        """
        if not self.somebody():
            raise nobody_to_ask()
        return self.read(question)


def check(prompt: Callable[[str], Secret]) -> None:
    """Refuse a prompt of which it is known that nobody would answer it; nobody is asked.

    Raises:
        MissingCredentials: nobody can be asked.
    """
    if isinstance(prompt, Prompt) and not prompt.somebody():
        raise nobody_to_ask()


def nobody_to_ask() -> errors.MissingCredentials:
    """Return the error of a password that has to be asked for where there is no person."""
    return errors.MissingCredentials(
        "SQL password",
        (
            "what sql-user has kept",
            "TIDB_PASSWORD in the environment",
            "a prompt, but this process has no terminal or notebook to ask in",
        ),
        advice="Set TIDB_PASSWORD before this program starts, or give --password-from env:NAME, "
        "keyring:SERVICE or file:PATH",
    )


def _read(question: str) -> Secret:
    from getpass import getpass  # noqa: PLC0415 - looked up late: kernels replace it

    try:
        return Secret(getpass(question))
    # NotImplementedError: the kernel runs without a front end.
    except (EOFError, NotImplementedError, OSError):
        raise nobody_to_ask() from None


def _somebody() -> bool:
    """Tell whether `getpass` may be answered: by a front end, at the terminal, or on standard input."""
    from getpass import getpass  # noqa: PLC0415 - looked up late: kernels replace it

    parent = getattr(getattr(getpass, "__self__", None), "get_parent", None)
    if parent is not None:  # a kernel's own: the front end says with each cell whether it answers
        return parent("shell").get("content", {}).get("allow_stdin") is not False
    if getattr(getpass, "__module__", "") != "getpass" or os.name != "posix":
        return True  # a front end's own, or a console that is not looked at here
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return sys.stdin is not None and not _is_null_device()
    return True


def _is_null_device() -> bool:
    """Tell whether standard input is a device and no terminal, as for services and containers."""
    try:
        return stat.S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode) and not sys.stdin.isatty()
    except (OSError, ValueError):
        return False


def confirmed(question: str) -> bool:
    """Ask a question whose answer is yes or no; anything but yes is no.

    Raises:
        EOFError: nobody can be asked.
    """
    # A kernel's own input asks the front end; elsewhere a person is at a terminal.
    if not (_asks_front_end() or (sys.stdin is not None and sys.stdin.isatty())):
        raise EOFError(question)
    try:
        answer = input(f"{question} [y/N] ")
    except (NotImplementedError, OSError):  # the kernel runs without a front end
        raise EOFError(question) from None
    return answer.strip().lower() in {"y", "yes"}


def _asks_front_end() -> bool:
    """Tell whether this is a kernel whose front end answers questions of the present cell."""
    from getpass import getpass  # noqa: PLC0415 - looked up late: kernels replace it

    return hasattr(getattr(getpass, "__self__", None), "get_parent") and _somebody()


ask = Prompt(_read, _somebody)
"""Asks on the terminal, or through the notebook's input channel."""
