"""Refusals of logins by the gateway, or by TiDB behind it.

Texts are those of TiDB Cloud's documentation and of public reports of 2026. The gateway's errno 1105
is less certain, and that of "Connection limit exceeded" is [GUESS].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.network import impostors
from tidb_pe_magic.sandbox.network.impostors import Impostor
from tidb_pe_magic.sandbox.scenarios.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.sandbox.scenarios.scenario import Stage

_GATEWAY, _ACCESS_DENIED, _LOCKED, _EXPIRED = 1105, 1045, 3118, 1862
_DOCS = "https://docs.pingcap.com/tidbcloud"
_PREFIX_PAGE = f"{_DOCS}/select-cluster-tier#user-name-prefix"
_USER = "2vKmPqRsTuWxYzA.root"


def _login_refusal(code: int, text: str) -> Callable[[Stage], None]:
    return lambda sandbox: sandbox.route.impersonate(Impostor(impostors.refusing_login(code, text)))


_ROWS: tuple[tuple[str, str, int, str], ...] = (
    (
        "login-wrong-password",
        "TiDB refuses the password, with a link to the page on user name prefixes.",
        _ACCESS_DENIED,
        (
            f"Access denied for user '{_USER}'@'10.20.1.9' (using password: YES), see {_PREFIX_PAGE} "
            "for more details."
        ),
    ),
    (
        "login-wrong-user",
        "The gateway does not find the user, or the password is wrong.",
        _GATEWAY,
        f"Access denied. Please check your user name and password. See {_PREFIX_PAGE}",
    ),
    (
        "login-missing-prefix",
        "The gateway does not find a cluster for the user name's prefix.",
        _GATEWAY,
        f"Missing user name prefix. See {_PREFIX_PAGE}",
    ),
    (
        "login-quota-exhausted",
        "The cluster has used up its monthly quota.",
        _GATEWAY,
        (
            "Due to the usage quota being exhausted, access to the cluster '10430185274093617152' has been "
            "restricted. Try increasing spending limits to restore access."
        ),
    ),
    (
        "login-insecure-transport",
        "The gateway accepts only encrypted connections, but does not offer TLS.",
        _GATEWAY,
        (
            "Connections using insecure transport are prohibited. "
            f"See {_DOCS}/secure-connections-to-serverless-tier-clusters"
        ),
    ),
    (
        "login-connection-limit",
        "The cluster has reached its limit of connections.",
        _GATEWAY,
        "Connection limit exceeded",
    ),
    (
        "login-user-locked",
        "The SQL user is locked.",
        _LOCKED,
        f"Access denied for user '{_USER}'@'10.20.1.9'. Account is locked.",
    ),
    (
        "login-password-expired",
        "The SQL user's password has expired.",
        _EXPIRED,
        "Your password has expired. To log in you must change it using a client that supports it.",
    ),
)
SCENARIOS: tuple[Scenario, ...] = tuple(
    Scenario(name, summary, _login_refusal(code, text), doctor="login") for name, summary, code, text in _ROWS
)
