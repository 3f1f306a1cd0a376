"""The base of the expected errors, and the error for a bug."""

from __future__ import annotations

import re
import sys
import textwrap
import traceback
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import (
    Advice,
    Suggestion,
    as_advice,
    magic,
    spell_advice,
    with_commands,
)
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from tidb_pe_magic.advice import NextCommand, Spelling

_WIDTH = 96  # columns of a terminal
_CELL_WIDTH = 88  # columns: in a window of 900 pixels JupyterLab breaks a longer line within a word
_TRY = ("Try: ", " Or: ")
_WORD = re.compile(r"[a-z]+(?=[ ,;.(]|$)")  # not a flag, an identifier, a host name or a field name


class TidbPeError(Exception):
    """Base of the expected errors. They show what is wrong and what to do, without a traceback.

    Attributes:
        message: what went wrong, in one sentence.
        advice: what to do next, in sentences; may be empty.
        commands: what to run next, the best one first; may be empty.
        topic: the help topic that explains errors of this class; may be empty.
        excerpt: lines of the statement, shown below the sentences; may be empty.
        spelling: the default way to write commands: as in a notebook, or as Python for errors of `Runbook`'s
            methods.
    """

    topic = ""
    excerpt: tuple[str, ...] = ()
    spelling: Spelling = staticmethod(magic)

    def __init__(self, message: str, *, advice: str | Advice = "") -> None:
        """Keep the message and the advice apart, so that a form can show them separately."""
        super().__init__(message)
        self.message = message
        self.advise(advice)

    def advise(self, advice: str | Advice) -> None:
        """Replace the advice; for callers that know more about the attempt."""
        given = as_advice(advice)
        self.advice: str = given.text
        self.commands: tuple[NextCommand, ...] = given.commands

    @property
    def full_advice(self) -> Advice:
        """The sentences and the commands together, for an error that is derived from this one."""
        return Advice(self.advice, *self.commands)

    def __str__(self) -> str:
        """Return message, advice and command on one line, with control characters escaped."""
        return one_line(with_commands(self.prose, self.commands, self.spelling))

    @property
    def prose(self) -> str:
        """The message and the advice on one line, without a command."""
        return one_line(f"{self.message} {self.advice}")

    def text(self, spelling: Spelling | None = None, *, width: int = _WIDTH) -> str:
        """Return the text for a person: the sentences, wrapped at words, then each command on its own line.

        Args:
            spelling: how commands are written; default: the error's own.
            width: columns of the sentences.
        """
        lines = textwrap.wrap(self.sentences, width, break_long_words=False, break_on_hyphens=False)
        lines += self.excerpt
        for lead, typed in self.suggestions(spelling):
            lines += [(" " * len(lead) if below else lead) + line for below, line in enumerate(typed)]
        return "\n".join(lines)

    @property
    def sentences(self) -> str:
        """The message and the advice on one line, with a capital, without a command."""
        return _capitalize(self.prose)

    def suggestions(self, spelling: Spelling | None = None) -> list[tuple[str, list[str]]]:
        """Return what to run next: the word that leads to each command, and the command's lines.

        Args:
            spelling: how commands are written; default: the error's own.
        """
        commands = self.commands or ((Suggestion("help", self.topic),) if self.topic else ())
        return [
            (
                _TRY[min(number, 1)],
                list(map(one_line, spell_advice(each, spelling or self.spelling).splitlines())),
            )
            for number, each in enumerate(commands)
        ]

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows instead of the traceback.

        IPython calls this method on an exception that defines it, and the cell still counts as failed. When
        `%tb` calls it, the exception is no longer being handled; then the class and the line are named too.
        """
        lines = self.text(width=_CELL_WIDTH).splitlines()
        if sys.exc_info()[1] is not None:
            return lines
        frames = traceback.extract_tb(self.__traceback__)
        where = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        return [f"{type(self).__module__}.{type(self).__qualname__}, raised at", *where, *lines]


def _capitalize(sentence: str) -> str:
    """Return the sentence with a capital, unless it begins with an identifier or a name."""
    return sentence[:1].upper() + sentence[1:] if _WORD.match(sentence) else sentence


class UnexpectedError(Exception):
    """A bug in this package or in one that it calls. Its traceback is shown without the values of variables.

    Attributes:
        trace: the traceback as text, without known secrets.
    """

    def __init__(self, message: str, trace: str) -> None:
        """Keep only text: the original exception and its frames can hold keys."""
        super().__init__(message)
        self.trace = trace
        self.add_note(f"The original traceback:\n{trace}")

    def __str__(self) -> str:
        """Return the original exception's class and message, and what to do."""
        return (
            f"{self.args[0]} (a bug in tidb_pe_magic or in a package that it uses. "
            "Report it with this traceback, which shows no values.)"
        )

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows in every traceback mode."""
        return [*self.trace.splitlines(), f"{type(self).__name__}: {self}"]
