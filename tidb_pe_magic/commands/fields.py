"""How a request describes its fields, once for every interface.

A field's metadata contains an `Option`; parsers, forms and signatures are derived from it. Only `Request.of`
converts typed text to values, so every interface rejects the same input with the same message.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable


_COMPARED = 80  # characters; comparing is slow, and every choice is shorter
_HALF = "contains half of a surrogate pair, which cannot be sent"


def format_value(value: Any) -> str:
    """Return a field's value as text, from which its rule reads the same value again."""
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)


@dataclass(frozen=True, kw_only=True)
class Option:
    """What an interface needs to know about a field.

    Attributes:
        help: one sentence.
        metavar: the placeholder for the value in a usage line.
        parse: converts text to a value; raises ValueError that says what would be valid.
        write: converts a value to the text that `parse` reads.
        positional: given by position, not by a flag.
        many: may be given more than once.
        separator: separates several values in one text; empty if each value is given separately.
        choices: every valid text, if there are few; help lists them.
        python_types: values of these types, except texts, are valid without conversion.
        listed_by: operation that lists the valid values; empty if there is none.
        instead: commands for what else a person may have meant by an invalid value, the best one first.
    """

    help: str
    metavar: str = ""
    parse: Callable[[str], Any] = str
    write: Callable[[Any], str] = format_value
    positional: bool = False
    many: bool = False
    separator: str = ""
    choices: tuple[str, ...] = ()
    python_types: tuple[type, ...] = ()
    listed_by: str = ""
    instead: tuple[Suggestion, ...] = ()


def option(  # noqa: PLR0913 - each is one property of the option
    help: str,  # noqa: A002 - the word that argparse uses
    *,
    default: Any = None,
    metavar: str = "",
    parse: Callable[[str], Any] = str,
    write: Callable[[Any], str] = format_value,
    positional: bool = False,
    many: bool = False,
    separator: str = "",
    choices: Iterable[str] = (),
    python_types: tuple[type, ...] = (),
    listed_by: str = "",
    instead: tuple[Suggestion, ...] = (),
) -> Any:
    """Declare a request's field; a field whose default is `...` is required.

    With `choices` the text must be one of them, unless another rule is given. They are also the metavar,
    unless another one is given.
    """
    texts = tuple(choices)
    described = Option(
        help=help,
        metavar=metavar or "|".join(texts),
        parse=one_of(texts) if texts and parse is str else parse,
        write=write,
        positional=positional,
        many=many,
        separator=separator,
        choices=texts,
        python_types=python_types,
        listed_by=listed_by,
        instead=instead,
    )
    if default is ...:
        return dataclasses.field(metadata={"option": described})
    return dataclasses.field(default=default, metadata={"option": described})


@dataclass(frozen=True, kw_only=True)
class Request:
    """Base of the requests; create one with `of`, which checks each value."""

    @classmethod
    def options(cls) -> dict[str, Option]:
        """Return each field's name and its option, in order."""
        return {field.name: field.metadata["option"] for field in dataclasses.fields(cls)}

    @classmethod
    def label(cls, name: str) -> str:
        """Return the field as typed: `--security-group`, or `NAME_OR_ID` for a positional one.

        A field whose flag is a Python keyword ends with an underscore: `with_` is `--with`.
        """
        described = cls.options()[name]
        return described.metavar if described.positional else "--" + name.rstrip("_").replace("_", "-")

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Create a request from text or values; None means "not given".

        Raises:
            InvalidRequest: a value is invalid, or a required field is missing.
        """
        given = {name: value for name, value in values.items() if value is not None}
        options = cls.options()
        for field in dataclasses.fields(cls):
            if field.default is dataclasses.MISSING and field.name not in given:
                raise InvalidRequest(cls.label(field.name), f"is missing: {options[field.name].help}.")
        return cls(**{name: cls.check_value(name, value) for name, value in given.items()})

    @classmethod
    def check_value(cls, name: str, value: Any) -> Any:
        """Return the value of one field from text or a value.

        Raises:
            InvalidRequest: the value is invalid.
        """
        described = cls.options()[name]
        if not described.many:
            return cls._parse(name, value)
        several = isinstance(value, Iterable) and not isinstance(value, str)
        items = tuple(value) if several else (value,)
        if described.separator:
            items = tuple(part for item in items for part in _parts(item, described.separator))
        parsed = tuple(cls._parse(name, item) for item in items)
        if len(set(parsed)) < len(parsed):
            raise InvalidRequest(cls.label(name), "the same value is given twice.")
        return parsed

    @classmethod
    def _parse(cls, name: str, value: Any) -> Any:
        described = cls.options()[name]
        if isinstance(value, described.python_types) and not isinstance(value, (str, bytes, bytearray)):
            return value
        try:
            text = str(value)
            if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
                raise ValueError(_HALF)  # noqa: TRY301 - as `parse` does
            return described.parse(text)
        except ValueError as error:
            listed = (Suggestion(described.listed_by),) if described.listed_by else ()
            commands = (*described.instead, *listed)
            raise InvalidRequest(cls.label(name), f"{error}.", advice=Advice("", *commands)) from None


def _parts(value: Any, separator: str) -> Iterable[Any]:
    return map(str.strip, value.split(separator)) if isinstance(value, str) else (value,)


def pattern_rule(pattern: str, description: str, *, longest: int = 128) -> Callable[[str], str]:
    """Return a rule: the whole text must match `pattern`; the message shows a text that does not.

    Args:
        pattern: a regular expression.
        description: what would be valid.
        longest: characters; the clouds' IDs are far shorter, and longer text must not get into a URL.
    """
    compiled = re.compile(pattern)

    def parse(text: str) -> str:
        not_longer(text, longest, description)
        if compiled.fullmatch(text):
            return text
        msg = f"{text!r} is not valid: {description}"
        raise ValueError(msg)

    return parse


def text_up_to(longest: int) -> Callable[[str], str]:
    """Return a rule: the text must not be blank and have at most `longest` characters."""

    def parse(text: str) -> str:
        not_longer(text, longest, "such a long name cannot exist")
        return non_empty(text)

    return parse


def not_longer(text: str, longest: int, description: str) -> None:
    """Reject a text of more than `longest` characters, without showing it."""
    if len(text) > longest:
        msg = f"is longer than {longest} characters: {description}"
        raise ValueError(msg)


def one_of(values: Iterable[str]) -> Callable[[str], str]:
    """Return a rule: the text must be one of `values`."""
    allowed = tuple(values)

    def parse(text: str) -> str:
        if text in allowed:
            return text
        close = difflib.get_close_matches(text[:_COMPARED], allowed, n=1)
        msg = "must be one of " + ", ".join(allowed) + (f" (did you mean {close[0]}?)" if close else "")
        raise ValueError(msg)

    return parse


def seconds(text: str) -> float:
    """Read a positive number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        msg = "must be a number of seconds above 0"
        raise ValueError(msg)
    return value


def count(text: str) -> int:
    """Read a whole number above 0."""
    if text.isascii() and text.isdigit() and int(text[:10]) > 0 and len(text) <= len("1000000000"):
        return int(text)
    msg = "must be a whole number above 0"
    raise ValueError(msg)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return a rule: the text must be an integer between `low` and `high`."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and low <= int(text) <= high:
            return int(text)
        msg = f"must be a whole number between {low} and {high}"
        raise ValueError(msg)

    return parse


def switch(text: str) -> bool:
    """Read the value of a switch: the interfaces pass True."""
    if text not in {"True", "False"}:
        msg = "takes no value"
        raise ValueError(msg)
    return text == "True"


def non_empty(text: str) -> str:
    """Reject an empty text."""
    if not text.strip():
        msg = "must not be empty"
        raise ValueError(msg)
    return text
