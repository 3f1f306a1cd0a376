"""The meaning of a server's error at login: by its number, and by the beginning of its text.

TiDB Cloud's gateway answers most refusals with errno 1105, and TiDB's own "Access denied" always contains a
link to the page on user name prefixes, so a single word of the text is not conclusive. Texts: TiDB Cloud's
documentation, and public reports of 2026; the errnos of the gateway's texts are less certain.
"""

from __future__ import annotations

from dataclasses import dataclass

from pymysql.constants import CR, ER

from tidb_pe_magic.advice import Advice, Suggestion

_UNKNOWN = 1105  # ER_UNKNOWN_ERROR, sent by the gateway
_LOCKED, _PASSWORD_EXPIRED, _MUST_CHANGE, _INSECURE = 3118, 1862, 1820, 3159
_USER_LIMIT_REACHED, _PLUGIN_NOT_LOADED, _OLD_METHOD = 1226, 1524, 1251

_CHECK_LOGIN = (
    "Check the password, that the user name has the cluster's prefix (<prefix>.root), and that the "
    "cluster's Authorized Networks allow this endpoint."
)
_ENCRYPT = "The server accepts only encrypted connections: --tls auto"
_LIMIT = "Close connections that you do not need, then try again."


@dataclass(frozen=True, slots=True)
class Refusal:
    """The meaning of an error at login.

    Attributes:
        kind: the kind of refusal, in a word or two.
        stage: the stage that it belongs to.
        advice: what to do if nothing else is known.
    """

    kind: str
    stage: str
    advice: str | Advice


_PASSWORD = Refusal("password", "login", _CHECK_LOGIN)
_CONNECTIONS = Refusal("limit", "handshake", _LIMIT)
_EXPIRED = Refusal(
    "password expired",
    "login",
    Advice("The password has expired. Set a new one.", Suggestion("sql-user", "rotate", "NAME")),
)
_DATABASE = Refusal("database", "query", "Use an existing database: --database NAME")

# The beginning of each text of the gateway, independent of the error number.
_TEXTS: tuple[tuple[str, Refusal], ...] = (
    (
        "Missing user name prefix",
        Refusal("prefix", "login", "Add the cluster's prefix to the user name: --user <prefix>.root"),
    ),
    ("Access denied. Please check your user name and password", Refusal("user", "login", _CHECK_LOGIN)),
    (
        "Due to the usage quota being exhausted",
        Refusal(
            "quota",
            "login",
            "The cluster's monthly quota is used up: raise its spending limit in the TiDB Cloud console.",
        ),
    ),
    ("Connections using insecure transport are prohibited", Refusal("required", "tls", _ENCRYPT)),
    ("Connection limit exceeded", _CONNECTIONS),
)

_NUMBERS: dict[int, Refusal] = {
    ER.ACCESS_DENIED_ERROR: _PASSWORD,
    ER.HOST_NOT_PRIVILEGED: Refusal("host", "login", _CHECK_LOGIN),
    ER.BAD_DB_ERROR: _DATABASE,
    ER.DBACCESS_DENIED_ERROR: Refusal(
        "database", "query", "The user has no permission for this database: use --database NAME, or grant it."
    ),
    ER.CON_COUNT_ERROR: _CONNECTIONS,
    ER.TOO_MANY_USER_CONNECTIONS: Refusal(
        "limit", "handshake", "This user has too many connections: close some."
    ),
    _USER_LIMIT_REACHED: Refusal("limit", "handshake", "A limit of this user on the server is reached."),
    ER.HOST_IS_BLOCKED: Refusal(
        "blocked", "handshake", "The server blocks this machine: run FLUSH HOSTS on the server."
    ),
    _INSECURE: Refusal("required", "tls", _ENCRYPT),
    _LOCKED: Refusal(
        "locked", "login", "The SQL user is locked. Another user can unlock it: ALTER USER … ACCOUNT UNLOCK"
    ),
    _PASSWORD_EXPIRED: _EXPIRED,
    _MUST_CHANGE: _EXPIRED,
    CR.CR_AUTH_PLUGIN_CANNOT_LOAD: Refusal(
        "method",
        "login",
        "Give the SQL user another login method: ALTER USER … IDENTIFIED WITH mysql_native_password BY …",
    ),
    _PLUGIN_NOT_LOADED: Refusal("method", "login", "Give the SQL user another login method."),
    _OLD_METHOD: Refusal("method", "login", "Give the SQL user another login method."),
}

CLEAR_TEXT = Refusal("clear text", "login", "Encrypt the connection: --tls auto")
"""The server asks for the clear-text password over an unencrypted connection."""
ENCRYPTION_FIRST = Refusal(
    "encryption first",
    "login",
    "The SQL user's login method, caching_sha2_password, needs an encrypted connection: --tls auto",
)
"""A full login with caching_sha2_password was refused on an unencrypted connection."""
OTHER = Refusal("other", "login", "")
"""The server gives its own reason."""


def find(code: int, message: str) -> Refusal | None:
    """Return the meaning of the error; None if neither its number nor its text is known."""
    text = message.strip()
    if code not in _NUMBERS or code == _UNKNOWN:
        for beginning, refusal in _TEXTS:
            if text.startswith(beginning):
                return refusal
    return _NUMBERS.get(code)
