"""Splits a typed line into words, as a shell does; a Windows path keeps its backslashes."""

from __future__ import annotations

import re

from tidb_pe_magic.errors import InvalidRequest

# The beginning of a Windows path, alone or as the value of `--flag=`.
_DRIVE = re.compile(r"(?:--[\w-]+=)?[A-Za-z]:")
_SHARE = re.compile(r"\\\\[\w.?]")
_FLAG = re.compile(r"(?:--[\w-]+=)?")
_BLANKS = frozenset(" \t\r\n")
# Characters with a meaning in a shell; a backslash before one removes that meaning.
_SPECIAL = frozenset("\\'\"#$&*?!|;<>()[]{}~`")


def words(line: str) -> list[str]:
    r"""Split a line as a shell does; a word that begins with # begins a comment.

    A backslash escapes a space, a quote or another special character of the shell. Before any other
    character, and everywhere in an unquoted path such as `C:\data\out.csv` or `\\server\share`, it is an
    ordinary character.

    Raises:
        InvalidRequest: a quote is not closed, or a Windows path has an unquoted space.
    """
    return _Line(line).words()


class _Line:
    """A line being read, character by character."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._at = 0

    def words(self) -> list[str]:
        found: list[str] = []
        while True:
            while self._char() in _BLANKS:
                self._at += 1
            if self._char() in {"", "#"}:
                return found
            found.append(self._word())

    def _char(self, ahead: int = 0) -> str:
        return self._line[self._at + ahead : self._at + ahead + 1]

    def _word(self) -> str:
        word, windows = "", False
        while (char := self._char()) and char not in _BLANKS:
            if char == "'":
                word += self._single_quotes()
            elif char == '"':
                word += self._double_quotes(word)
            elif char == "\\":
                windows = windows or bool(_DRIVE.match(word)) or self._begins_share(word)
                word += self._escape(word, windows=windows)
            else:
                word += char
                self._at += 1
        return word

    def _begins_share(self, word: str) -> bool:
        return bool(_FLAG.fullmatch(word) and _SHARE.match(self._line, self._at))

    def _single_quotes(self) -> str:
        end = self._line.find("'", self._at + 1)
        if end < 0:
            raise _open_quote()
        text = self._line[self._at + 1 : end]
        self._at = end + 1
        return text

    def _double_quotes(self, word: str) -> str:
        self._at += 1
        text = ""
        if self._begins_share(word):
            text = "\\\\"
            self._at += len(text)
        while (char := self._char()) != '"':
            if not char:
                raise _open_quote()
            escaping = char == "\\" and self._char(1) in {'"', "\\"}
            text += self._char(1) if escaping else char
            self._at += 1 + escaping
        self._at += 1
        return text

    def _escape(self, word: str, *, windows: bool) -> str:
        """Return the meaning of a backslash outside quotes, together with the character that it escapes."""
        following = self._char(1)
        if windows:
            if following in _BLANKS:
                raise InvalidRequest(
                    "quotes",
                    "this Windows path has a space after a backslash.",
                    advice=r"Put the path in single quotes: 'C:\Program Files\out.csv'.",
                )
            share = self._begins_share(word)
            self._at += 1 + (following == "\\")
            return "\\\\" if share else "\\"
        if not following:
            raise _open_quote()
        self._at += 2
        return following if following in _BLANKS or following in _SPECIAL else f"\\{following}"


def _open_quote() -> InvalidRequest:
    return InvalidRequest("quotes", "a quote is not closed.")
