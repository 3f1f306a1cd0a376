"""Errors in a form that is safe to show: no values of variables, no known secrets, no frames that hold one.

IPython's traceback mode Verbose prints the value of every name and attribute in every frame, including
`os.environ`. IPython first calls an exception's own `_render_traceback_`, if it has one. This package uses
that for its own exceptions, so the user's other cells fail as usual.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import re
import traceback
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import quote, quote_plus, urlsplit

from tidb_pe_magic.advice import ShellCommand, Suggestion
from tidb_pe_magic.credentials.secrets import living_secrets
from tidb_pe_magic.errors import TidbPeError, UnexpectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tidb_pe_magic.advice import NextCommand

P = ParamSpec("P")
R = TypeVar("R")

_HIDDEN = "***"
# Minimum lengths: a shorter known secret occurs in every text; an unconfirmed one has to be longer.
_SHORTEST, _SHORTEST_GUESS = 4, 8
_SECRET_NAME = re.compile(
    r"(?!.*_(?:FILE|DIR|PATH)$).*(?:SECRET|PASSW|TOKEN|PRIVATE|CREDENTIAL|API_?KEY)", re.IGNORECASE
)


def redact(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the text with each known secret replaced by `***`.

    Known secrets are the `Secret`s of this process, the variables of `environ` with a telling name, and
    passwords in URLs of `environ`, such as a proxy's.
    """
    for form in sorted(set(_forms(environ)), key=len, reverse=True):
        text = text.replace(form, _HIDDEN)
    return text


def hide_values(error: BaseException, environ: Mapping[str, str] = os.environ) -> BaseException:
    """Make IPython show the exception as text without values in every mode, and return what to raise.

    For the Python API this is the exception itself, with its frames for debuggers and its type for `except`.
    Only if its message repeats a secret, it is an `UnexpectedError`, to be raised outside the handler.
    """
    if isinstance(error, TidbPeError):
        _redact(error, environ)
    if hasattr(error, "_render_traceback_"):
        return error
    message = f"{error!r} {error}"
    if redact(message, environ) != message:
        return bug_error(error, environ)

    def render() -> list[str]:
        return _trace(error, environ).splitlines()

    error._render_traceback_ = render  # type: ignore[attr-defined] # IPython's protocol
    return error


def bug_error(error: BaseException, environ: Mapping[str, str] = os.environ) -> UnexpectedError:
    """Return the error to raise instead of `error`, which is a bug; raise it outside the handler."""
    message = redact(f"{type(error).__name__}: {error}", environ)
    return UnexpectedError(message, _trace(error, environ))


def presentable(error: BaseException, passing: tuple[type[BaseException], ...] = ()) -> BaseException:
    """Return the exception to raise into a cell instead of `error`; its chain has no frames.

    Args:
        error: the original exception.
        passing: exceptions that already show as one line.
    """
    if isinstance(error, KeyboardInterrupt):
        shown: BaseException = KeyboardInterrupt()
        trace = _trace(error, os.environ)
        shown._render_traceback_ = trace.splitlines  # type: ignore[attr-defined] # as above
        return shown
    if isinstance(error, Exception) and not isinstance(error, (TidbPeError, UnexpectedError, *passing)):
        return bug_error(error)
    if isinstance(error, TidbPeError):
        _redact(error, os.environ)
    # An expected error is complete; a cell that catches it and raises another shows it too.
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def without_values(
    passing: tuple[type[BaseException], ...] = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a callback of a shell or a widget so that its exceptions are safe to show."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*arguments: P.args, **options: P.kwargs) -> R:
            try:
                return function(*arguments, **options)
            except BaseException as error:  # noqa: BLE001 - raised below, outside of frames that may hold keys
                failure = presentable(error, passing)
            try:
                raise failure
            finally:
                del failure  # this frame is in its traceback

        return call

    return decorate


def _redact(error: TidbPeError, environ: Mapping[str, str]) -> None:
    """Remove secrets from an expected error; its message can repeat text of a cloud or a server."""
    for name in ("message", "advice", "reason", "summary"):
        text = getattr(error, name, None)
        if isinstance(text, str) and (clean := redact(text, environ)) != text:
            setattr(error, name, clean)
    error.commands = tuple(_redacted_command(command, environ) for command in error.commands)
    error.args = tuple(redact(each, environ) if isinstance(each, str) else each for each in error.args)


def _redacted_command(command: NextCommand, environ: Mapping[str, str]) -> NextCommand:
    if isinstance(command, ShellCommand):
        return ShellCommand(redact(command.line, environ))
    return Suggestion(command.operation, *(redact(word, environ) for word in command.words))


def _trace(error: BaseException, environ: Mapping[str, str]) -> str:
    """Return the traceback as Python prints it: source lines without values."""
    lines = traceback.TracebackException.from_exception(error, capture_locals=False).format()
    return redact("".join(lines), environ)


def _forms(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield each secret in every form in which a message can repeat it."""
    # Many objects of a process hold the same key.
    for value in dict.fromkeys(_values(environ)):
        if len(value) < _SHORTEST:
            continue
        yield from (value, repr(value)[1:-1], json.dumps(value)[1:-1])
        for raw in _encodings(value):
            once = quote(raw, safe="")
            # Twice, because Alibaba Cloud signs the encoded form of an encoded query.
            yield from (once, quote(once, safe=""), quote_plus(raw), base64.b64encode(raw).decode())


def _encodings(value: str) -> set[bytes]:
    """Return the bytes that a message can show in an encoded form.

    Python reads bytes of the environment that are not UTF-8 as halves of surrogate pairs. A program can
    encode them as these bytes again, or as the halves.
    """
    encodings = {value.encode("utf-8", "surrogatepass")}
    with contextlib.suppress(UnicodeEncodeError):  # only some halves stand for a byte
        encodings.add(value.encode("utf-8", "surrogateescape"))
    return encodings


def _values(environ: Mapping[str, str]) -> Iterator[str]:
    yield from (secret.reveal() for secret in living_secrets())
    for name, value in environ.items():
        if _SECRET_NAME.match(name):
            yield from (each for each in (value, value.strip()) if len(each) >= _SHORTEST_GUESS)
        elif "://" in value and "@" in value:
            yield _password(value)


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:  # a URL that cannot be parsed
        return url
