"""The login's packets: the greeting, the client's answers, and the check of its scrambled password."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from typing import Final

from tidb_pe_magic.sandbox.mysql.charsets import of_collation
from tidb_pe_magic.sandbox.mysql.protocol import (
    UTF8MB4_COLLATION,
    Capability,
    Cursor,
    MalformedPacket,
    Status,
)

NATIVE_PASSWORD: Final = "mysql_native_password"  # noqa: S105 - a plugin's name
SCRAMBLE_BYTES: Final = 20
_PROTOCOL: Final = 10
_RESERVED: Final = 10
_FILLER: Final = 23

#: The server's capabilities; TiDB does not need more from its clients. Without query attributes, a COM_QUERY
#: contains only the statement, whose bytes may not be valid text.
OFFERED: Final = (
    Capability.LONG_PASSWORD
    | Capability.FOUND_ROWS
    | Capability.LONG_FLAG
    | Capability.CONNECT_WITH_DB
    | Capability.LOCAL_FILES
    | Capability.IGNORE_SPACE
    | Capability.PROTOCOL_41
    | Capability.INTERACTIVE
    | Capability.TRANSACTIONS
    | Capability.SECURE_CONNECTION
    | Capability.MULTI_STATEMENTS
    | Capability.MULTI_RESULTS
    | Capability.PS_MULTI_RESULTS
    | Capability.PLUGIN_AUTH
    | Capability.CONNECT_ATTRS
    | Capability.PLUGIN_AUTH_LENENC
    | Capability.DEPRECATE_EOF
)


@dataclass(frozen=True, slots=True)
class Login:
    """A client's login data, at the start or in COM_CHANGE_USER.

    Attributes:
        answer: the scrambled password; empty without one.
        plugin: the plugin that scrambled the password; empty if the client does not send it.
    """

    user: str
    answer: bytes
    database: str
    plugin: str
    charset: str
    capabilities: Capability

    def answered(self, answer: bytes) -> Login:
        """Return the login with the answer to an authentication switch."""
        return replace(self, answer=answer, plugin=NATIVE_PASSWORD)


def new_scramble() -> bytes:
    """Return random bytes for one login, without the terminator NUL, and without "$", as in MySQL."""
    alphabet = bytes(byte for byte in range(1, 128) if byte != ord("$"))
    return bytes(secrets.choice(alphabet) for _ in range(SCRAMBLE_BYTES))


def greeting(version: str, connection_id: int, scramble: bytes, status: Status) -> bytes:
    """Return the payload of the server's first packet, with 32 bits of the connection's ID."""
    return b"".join(
        (
            bytes((_PROTOCOL,)),
            version.encode() + b"\0",
            (connection_id & 0xFFFFFFFF).to_bytes(4, "little"),
            scramble[:8] + b"\0",
            (OFFERED & 0xFFFF).to_bytes(2, "little"),
            bytes((UTF8MB4_COLLATION,)),
            int(status).to_bytes(2, "little"),
            (OFFERED >> 16).to_bytes(2, "little"),
            bytes((SCRAMBLE_BYTES + 1,)),
            bytes(_RESERVED),
            scramble[8:] + b"\0",
            NATIVE_PASSWORD.encode() + b"\0",
        )
    )


def parse_login(payload: bytes) -> Login:
    """Read the client's answer to the greeting.

    Raises:
        Malformed: it is not such a packet.
    """
    cursor = Cursor(payload)
    capabilities = Capability(cursor.number(4)) & OFFERED
    if not capabilities & Capability.PROTOCOL_41:
        raise MalformedPacket
    cursor.take(4)  # the client's maximum packet size
    charset = of_collation(cursor.number(1))
    cursor.take(_FILLER)
    user = cursor.until_nul()
    if capabilities & Capability.PLUGIN_AUTH_LENENC:
        answer = cursor.string()
    else:
        answer = cursor.take(cursor.number(1))
    database = cursor.until_nul() if capabilities & Capability.CONNECT_WITH_DB else b""
    plugin = cursor.until_nul() if capabilities & Capability.PLUGIN_AUTH else b""
    return Login(_text(user), answer, _text(database), _text(plugin), charset, capabilities)


def parse_change_user(payload: bytes, capabilities: Capability) -> Login:
    """Read COM_CHANGE_USER.

    Raises:
        Malformed: it is not such a packet.
    """
    cursor = Cursor(payload)
    user = cursor.until_nul()
    answer = cursor.take(cursor.number(1))
    database = cursor.until_nul()
    charset, plugin = "utf8mb4", b""
    if cursor.left:
        charset = of_collation(cursor.number(2))
        plugin = cursor.until_nul() if capabilities & Capability.PLUGIN_AUTH else b""
    return Login(_text(user), answer, _text(database), _text(plugin), charset, capabilities)


def switch_request(scramble: bytes) -> bytes:
    """Return the payload that requests the server's authentication plugin."""
    return b"\xfe" + NATIVE_PASSWORD.encode() + b"\0" + scramble + b"\0"


def is_password(password: str, answer: bytes, scramble: bytes) -> bool:
    """Check a scrambled password (MySQL documentation, "Native Authentication")."""
    if not password or len(answer) != SCRAMBLE_BYTES:
        return False
    stage1 = hashlib.sha1(password.encode()).digest()  # noqa: S324 - the protocol's
    stage2 = hashlib.sha1(stage1).digest()  # noqa: S324 - likewise
    mask = hashlib.sha1(scramble + stage2).digest()  # noqa: S324 - likewise
    expected = bytes(a ^ b for a, b in zip(stage1, mask, strict=True))
    return hmac.compare_digest(expected, answer)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
