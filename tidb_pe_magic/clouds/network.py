"""Access to both clouds' APIs: the only place that chooses proxy and trust store."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidb_pe_magic.clouds.proxies import Proxies
from tidb_pe_magic.clouds.trust import Trust

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Network:
    """Proxies and trust store of an environment; equal as long as these settings do not change."""

    proxies: Proxies = field(default_factory=Proxies)
    trust: Trust = field(default_factory=Trust)

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Network:
        """Read the environment; an unusable value becomes an error only when it is needed."""
        return cls(proxies=Proxies.of(environ), trust=Trust.of(environ))

    def proxy(self, url: str) -> str:
        """Return the proxy for `url`; empty for none.

        Raises:
            InvalidRequest: a variable names a proxy that cannot be used.
        """
        return self.proxies.proxy(url)

    def context(self, library: str) -> ssl.SSLContext:
        """Return the context that all clients of an HTTP library share; it verifies chain and name.

        Raises:
            InvalidRequest: a variable names a trust store that cannot be used.
        """
        return self.trust.context(library)
