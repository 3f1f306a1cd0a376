"""Why a host gave no usable answer, independent of the HTTP library that wrapped the reason."""

from __future__ import annotations

import re
import socket
import ssl
from typing import TYPE_CHECKING

from tidb_pe_magic.errors import TidbPeError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The host does not exist or is not the expected one: repeating the call does not help.
_URL = re.compile(r" with url: \S+")
_TAGS = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_LONGEST = 600  # characters; an HTML page in place of an answer can be very long
_HOPELESS = (ConnectionRefusedError, ssl.SSLCertVerificationError)


def is_untrusted(error: BaseException) -> bool:
    """Return whether the certificate of the host is not trusted."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def is_hopeless(error: BaseException) -> bool:
    """Return whether the connection failure would repeat in a moment."""
    return any(
        isinstance(cause, _HOPELESS)
        or (isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN)
        for cause in _causes(error)
    )


def reason_of(error: BaseException) -> str:
    """Return the reason of the failure on one line: the system's message if any, without the request.

    HTTP libraries put the reason after the URL, whose query contains signed values.
    """
    said = [str(cause) for cause in _causes(error) if _is_own(cause)]
    text = said[-1] if said else _URL.sub("", str(error))
    if "<html" in text.lower():  # a page of a proxy or portal: its words say who and why
        text = _TAGS.sub(" ", text)
    return " ".join(text.split())[:_LONGEST] or type(error).__name__


def is_of_the_system(error: BaseException) -> bool:
    """Return whether the system gave the reason: a file, a name, a connection or a certificate."""
    return any(map(_is_own, _causes(error)))


def own_error(error: BaseException) -> TidbPeError | None:
    """Return the error of this package that a library wrapped; None if there is none."""
    return next((cause for cause in _causes(error) if isinstance(cause, TidbPeError)), None)


def _is_own(cause: BaseException) -> bool:
    """Return whether this is Python's own OSError, not a library's subclass."""
    python = {"builtins", "ssl", "socket"}
    return isinstance(cause, OSError) and type(cause).__module__ in python and bool(str(cause))


def redirect_target(error: BaseException) -> str | None:
    """Return the redirect's target, as the host wrote it; None if the answer is not a redirect."""
    for cause in _causes(error):
        if type(cause).__name__ == "TooManyRedirects":
            headers = getattr(getattr(cause, "response", None), "headers", {})
            return str(headers.get("location") or "another place")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    queue: list[object] = [error]
    seen: set[int] = set()
    while queue:
        cause = queue.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            queue += [cause.__cause__, cause.__context__, getattr(cause, "inner_exception", None)]
