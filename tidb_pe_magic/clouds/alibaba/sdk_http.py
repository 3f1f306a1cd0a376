"""What the SDKs' HTTP lacks: it ignores NO_PROXY, and follows every redirect."""

from __future__ import annotations

import functools
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.clouds.hosts import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARIABLES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")
_lock = threading.RLock()


@contextmanager
def no_proxy(host: str, *, always: bool = False) -> Iterator[None]:
    """Hide the proxy's variables for a call to this machine, or, with `always`, to wherever it goes."""
    if not ((always or is_loopback(host)) and any(name in os.environ for name in _VARIABLES)):
        yield
        return
    with _lock:
        hidden = {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}
        try:
            yield
        finally:
            os.environ.update(hidden)


def refuse_redirects(core: Any) -> None:
    """Have the SDK follow no redirect: it would send access key ID and tokens along, to any host.

    The SDK has no such option, and keeps its HTTP sessions for the whole process.

    Args:
        core: `DaraCore` of its API clients, or `TeaCore` of its credential providers.
    """
    follow = core._get_session  # noqa: SLF001 - see above
    if getattr(follow, "refuses_redirects", False):
        return

    @functools.wraps(follow)
    def refuse(*arguments: Any, **options: Any) -> Any:
        session = follow(*arguments, **options)
        session.max_redirects = 0
        return session

    refuse.refuses_redirects = True  # type: ignore[attr-defined]
    core._get_session = staticmethod(refuse)  # noqa: SLF001 - see above
