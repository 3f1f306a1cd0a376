"""Why a host gave no usable answer, whichever HTTP library wrapped the reason."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Nothing that answers is there, or it is not who it says it is: asking again changes neither.
_HOPELESS = (ConnectionRefusedError, ssl.SSLCertVerificationError)


def is_hopeless(error: BaseException) -> bool:
    """Tell whether the failure to reach a host would be the same in a moment."""
    return any(
        isinstance(cause, _HOPELESS)
        or (isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN)
        for cause in _causes(error)
    )


def redirect_target(error: BaseException) -> str | None:
    """Return where the host would have sent the call, as it wrote it; None where it was no redirect."""
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
