"""Errors as they may be shown: no value of a variable, no known secret, no frame that holds one.

IPython's traceback mode Verbose prints the value of every name and attribute in every frame, `os.environ`
among them. IPython asks an exception's own `_render_traceback_` first, if it has one: that is how the
exceptions which pass through this package are shown without changing how the user's own cells fail.
"""

from __future__ import annotations

import base64
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
# Characters; anything shorter is in every text. What only looks like a secret has to be longer.
_SHORTEST, _SHORTEST_GUESS = 4, 8
_SECRET_NAME = re.compile(
    r"(?!.*_(?:FILE|DIR|PATH)$).*(?:SECRET|PASSW|TOKEN|PRIVATE|CREDENTIAL|API_?KEY)", re.IGNORECASE
)


def redacted(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the text with `***` in the place of each secret that is known.

    Known are the `Secret`s of this process, the variables of `environ` whose names say so, and passwords in
    URLs of `environ`, such as a proxy's.
    """
    for form in sorted(set(_forms(environ)), key=len, reverse=True):
        text = text.replace(form, _HIDDEN)
    return text


def hide_values(error: BaseException, environ: Mapping[str, str] = os.environ) -> BaseException:
    """Have IPython show the exception as text without values, whatever its mode, and return what to raise.

    For the Python API: that is the exception itself, with its frames for debuggers and its type for
    `except`. Only where its message repeats a secret it is an `UnexpectedError`, to be raised outside the
    handler.
    """
    if isinstance(error, TidbPeError):
        _redact(error, environ)
    if hasattr(error, "_render_traceback_"):
        return error
    message = f"{error!r} {error}"
    if redacted(message, environ) != message:
        return unexpected(error, environ)

    def render() -> list[str]:
        return _trace(error, environ).splitlines()

    error._render_traceback_ = render  # type: ignore[attr-defined] # IPython's protocol
    return error


def unexpected(error: BaseException, environ: Mapping[str, str] = os.environ) -> UnexpectedError:
    """Return the error to raise instead of `error`, which is a bug; raise it outside the handler."""
    message = redacted(f"{type(error).__name__}: {error}", environ)
    return UnexpectedError(message, _trace(error, environ))


def presentable(error: BaseException, passing: tuple[type[BaseException], ...] = ()) -> BaseException:
    """Return what may be raised into a cell instead of `error`: nothing that it leads to has a frame.

    Args:
        error: what was raised.
        passing: exceptions that are shown in one line already.
    """
    if isinstance(error, KeyboardInterrupt):
        shown: BaseException = KeyboardInterrupt()
        trace = _trace(error, os.environ)
        shown._render_traceback_ = trace.splitlines  # type: ignore[attr-defined] # as above
        return shown
    if isinstance(error, Exception) and not isinstance(error, (TidbPeError, UnexpectedError, *passing)):
        return unexpected(error)
    if isinstance(error, TidbPeError):
        _redact(error, os.environ)
    # An error of ours says everything itself; a cell that catches it and raises another shows it too.
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def without_values(
    passing: tuple[type[BaseException], ...] = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate what a shell or a widget calls: whatever it raises is presentable."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*arguments: P.args, **options: P.kwargs) -> R:
            try:
                return function(*arguments, **options)
            except BaseException as error:  # noqa: BLE001 - raised below, outside of what may hold keys
                failure = presentable(error, passing)
            try:
                raise failure
            finally:
                del failure  # this frame is in its traceback

        return call

    return decorate


def _redact(error: TidbPeError, environ: Mapping[str, str]) -> None:
    """Cut secrets out of an expected error; its message can repeat what a cloud or a server wrote."""
    for name in ("message", "advice", "reason", "summary"):
        text = getattr(error, name, None)
        if isinstance(text, str) and (clean := redacted(text, environ)) != text:
            setattr(error, name, clean)
    error.commands = tuple(_redacted_command(command, environ) for command in error.commands)
    error.args = tuple(redacted(each, environ) if isinstance(each, str) else each for each in error.args)


def _redacted_command(command: NextCommand, environ: Mapping[str, str]) -> NextCommand:
    if isinstance(command, ShellCommand):
        return ShellCommand(redacted(command.line, environ))
    return Suggestion(command.operation, *(redacted(word, environ) for word in command.words))


def _trace(error: BaseException, environ: Mapping[str, str]) -> str:
    """Return the traceback as Python itself prints it: lines of source, and no values."""
    lines = traceback.TracebackException.from_exception(error, capture_locals=False).format()
    return redacted("".join(lines), environ)


def _forms(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield each secret in the forms in which a message can repeat it."""
    for value in _values(environ):
        if len(value) < _SHORTEST:
            continue
        once = quote(value, safe="")
        # Twice, since Alibaba Cloud signs the encoded form of an encoded query.
        yield from (value, once, quote(once, safe=""), quote_plus(value))
        yield from (repr(value)[1:-1], json.dumps(value)[1:-1])
        yield base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()


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
    except ValueError:  # an address that no parser takes
        return url
