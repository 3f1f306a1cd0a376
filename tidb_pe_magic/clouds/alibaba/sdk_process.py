"""Changes to the Alibaba Cloud SDK for the whole process, their reasons, and how they are undone.

The SDK has no options for any of this:

- it reads HTTPS_PROXY itself, ignores NO_PROXY, ALL_PROXY and REQUESTS_CA_BUNDLE, and does not use a
  configured trust store through a proxy: so its calls go through `SdkSession`, which uses `Network`;
- it follows redirects to any host, sending access key ID and token: `SdkSession` does not follow redirects;
- it keeps its HTTP sessions for the life of the process: `SdkSession` is closed with its client;
- with `DEBUG=sdk`, its loggers print signed headers, including an STS token; others print answers that the
  SDK could not parse.

Every change applies only to this package's calls, which `through` marks. Other users of the SDK in this
process see it unchanged. `restore` undoes the changes when the extension is unloaded.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from requests import Session
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import PreparedRequest, Response

    from tidb_pe_magic.clouds.network import Network

_POOLS = 40  # the number of connections that the SDK keeps
_LOGGERS = ("darabonba-core", "alibabacloud-tea", "credentials", "urllib3.connectionpool")
_current: ContextVar[SdkSession | None] = ContextVar("sdk_session", default=None)
_lock = threading.Lock()
_replaced: dict[Any, Any] = {}


class _Adapter(HTTPAdapter):
    """Connections whose certificates are verified by a single context, also through a proxy."""

    def __init__(self, network: Network) -> None:
        self._network = network
        super().__init__(pool_connections=_POOLS, pool_maxsize=_POOLS)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._network.context("requests"), **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        if proxy not in self.proxy_manager:
            options["ssl_context"] = self._network.context("requests")
            if proxy.startswith("https:"):
                options["proxy_ssl_context"] = self._network.context("requests")
        return super().proxy_manager_for(proxy, **options)

    def cert_verify(self, conn: Any, url: str, verify: object, cert: object) -> None:
        """Leave the context unchanged: requests would add certifi's authorities to it."""


class SdkSession(Session):
    """The HTTP session of one client of the SDK."""

    def __init__(self, network: Network, *, encrypted: bool = True) -> None:
        """Store the settings; open nothing yet.

        Args:
            network: proxy and trust store.
            encrypted: the cloud is called by https; for a host of this machine, no trust store is read.

        Raises:
            InvalidRequest: a variable names a trust store that cannot be used.
        """
        super().__init__()
        self.trust_env = False
        self.max_redirects = 0
        self._network = network
        if encrypted:
            self.mount("https://", _Adapter(network))
        else:
            del self.adapters["https://"]

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """Send a request through the proxy for its host, ignoring the proxy that the SDK read."""
        proxy = self._network.proxy(request.url or "")
        options |= {"proxies": {"http": proxy, "https": proxy} if proxy else {}, "verify": True, "cert": None}
        return super().send(request, **options)


@contextmanager
def through(session: SdkSession) -> Iterator[None]:
    """Route this thread's SDK calls through the session."""
    _install()
    before = _current.set(session)
    try:
        yield
    finally:
        _current.reset(before)


def restore() -> None:
    """Undo every change; the next call applies them again."""
    with _lock:
        for core, original in _replaced.items():
            core._get_session = staticmethod(original)  # noqa: SLF001 - see above
        _replaced.clear()
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(_is_of_others)


def _install() -> None:
    if _replaced:
        return
    from darabonba.core import DaraCore  # noqa: PLC0415 - slow to import
    from Tea.core import TeaCore  # noqa: PLC0415 - slow to import

    with _lock:
        for core in (DaraCore, TeaCore):
            if core not in _replaced:
                _replaced[core] = core._get_session  # noqa: SLF001 - see above
                core._get_session = staticmethod(_replacement(core._get_session))  # noqa: SLF001 - see above
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_is_of_others)  # adding it again has no effect


def _replacement(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_session(*arguments: Any, **options: Any) -> Any:
        return _current.get() or original(*arguments, **options)

    return get_session


def _is_of_others(_: logging.LogRecord) -> bool:
    """Return whether a log record belongs to another user of the SDK; ours are created during a call."""
    return _current.get() is None
