"""What is changed in the Alibaba Cloud SDK for the whole process, why, and how it ends.

The SDK has no option for any of this:

- it reads HTTPS_PROXY itself, ignores NO_PROXY, ALL_PROXY and REQUESTS_CA_BUNDLE, and uses no named store of
  authorities through a proxy: so its calls go through `SdkSession`, which asks `Network`;
- it follows redirects, with access key ID and token, to any host: `SdkSession` follows none;
- it keeps its HTTP sessions for the process: `SdkSession` is closed with its client;
- its loggers print, with `DEBUG=sdk`, headers that are signed, an STS token among them; others print the
  answers that it could not use.

Every change holds for our own calls alone, which `through` marks: another user of the SDK in this process
finds it as it is. `restore` takes the changes back when the extension is unloaded.
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

_POOLS = 40  # as many connections as the SDK keeps
_LOGGERS = ("darabonba-core", "alibabacloud-tea", "credentials", "urllib3.connectionpool")
_current: ContextVar[SdkSession | None] = ContextVar("sdk_session", default=None)
_lock = threading.Lock()
_replaced: dict[Any, Any] = {}


class _Adapter(HTTPAdapter):
    """Connections whose certificates are verified by one context alone, through a proxy too."""

    def __init__(self, network: Network) -> None:
        self._network = network
        super().__init__(pool_connections=_POOLS, pool_maxsize=_POOLS)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._network.context(), **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        if proxy not in self.proxy_manager:
            options["ssl_context"] = self._network.context()
            if proxy.startswith("https:"):
                options["proxy_ssl_context"] = self._network.context()
        return super().proxy_manager_for(proxy, **options)

    def cert_verify(self, conn: Any, url: str, verify: object, cert: object) -> None:
        """Leave the context as it is: requests would add certifi's authorities to it."""


class SdkSession(Session):
    """The HTTP session of one client of the SDK."""

    def __init__(self, network: Network, *, encrypted: bool = True) -> None:
        """Open nothing yet.

        Args:
            network: proxy and trust store.
            encrypted: the cloud is called by https; a host of this machine needs no store to be read.

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
        """Send a request by the proxy that the environment names for its host, whatever the SDK read."""
        proxy = self._network.proxy(request.url or "")
        options |= {"proxies": {"http": proxy, "https": proxy} if proxy else {}, "verify": True, "cert": None}
        return super().send(request, **options)


@contextmanager
def through(session: SdkSession) -> Iterator[None]:
    """Let the SDK's calls of this thread go through the session."""
    _install()
    before = _current.set(session)
    try:
        yield
    finally:
        _current.reset(before)


def restore() -> None:
    """Take every change back; the next call makes them again."""
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
                core._get_session = staticmethod(_chosen(core._get_session))  # noqa: SLF001 - see above
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_is_of_others)  # adding it again changes nothing


def _chosen(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_session(*arguments: Any, **options: Any) -> Any:
        return _current.get() or original(*arguments, **options)

    return get_session


def _is_of_others(_: logging.LogRecord) -> bool:
    """Tell whether a log record belongs to another user of the SDK; ours are created during a call."""
    return _current.get() is None
