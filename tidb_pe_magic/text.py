"""Text from remote systems: put on one line, with invisible characters made visible."""

from __future__ import annotations

import unicodedata

# Control, format (direction marks), surrogate, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def one_line(text: str) -> str:
    """Return `text` on one line, with every control and direction character made visible.

    Names and messages come from remote systems: an ANSI escape or a right-to-left mark in one of them
    must not change the reader's terminal.
    """
    return escape_invisible(" ".join(text.split()))


def escape_invisible(text: str) -> str:
    """Return `text` with its whitespace unchanged, and every control and direction character made visible."""
    if text.isprintable():
        return text
    return "".join(character if is_visible(character) else f"\\u{ord(character):04x}" for character in text)


def is_visible(text: str) -> bool:
    """Return whether the text has no control or direction character."""
    return text.isprintable() or all(unicodedata.category(character) not in _INVISIBLE for character in text)
