"""Likely causes of a refused login, the most likely first, and the next command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.database.subject import command
from tidb_pe_magic.model import TlsMode

if TYPE_CHECKING:
    from tidb_pe_magic.database.subject import Subject
    from tidb_pe_magic.errors import ConnectionFailed
    from tidb_pe_magic.model import VpcEndpoint

# Failures with only one possible cause: the cause, and the next command.
_SAID: dict[str, tuple[str, ...]] = {
    "timeout": ("The cluster is paused: an idle Starter cluster wakes at its first login.", "connect"),
    "quota": (
        (
            "The cluster has used up this month's quota: set or raise its spending limit in the TiDB Cloud "
            "console, or wait for the next month."
        ),
        "connect",
    ),
    "locked": (
        "The SQL user {user} is locked: another user can unlock it (ALTER USER … ACCOUNT UNLOCK).",
        "connect",
        "--user",
        "OTHER",
    ),
    "method": (
        (
            "This client does not support the login method of {user}: give the user mysql_native_password or "
            "caching_sha2_password (ALTER USER … IDENTIFIED WITH …)."
        ),
        "connect",
        "--user",
        "OTHER",
    ),
    "clear text": (
        "The server requires the password in clear text, which is sent only over encrypted connections.",
        "doctor",
        "--tls",
        TlsMode.AUTO.value,
    ),
}


def explain(failure: ConnectionFailed, subject: Subject) -> tuple[tuple[str, ...], Suggestion]:
    """Return the likely causes of a refused login in order, and the exact next command."""
    user, cluster, endpoint = subject.target.user, subject.cluster, subject.endpoint
    if failure.kind in _SAID:
        cause, operation, *options = _SAID[failure.kind]
        return (cause.format(user=user),), command(operation, subject, *options)
    if failure.kind == "password expired":
        name = user.rpartition(".")[2] or user
        return (f"The password of {user} has expired.",), Suggestion("sql-user", "rotate", name)
    prefix = cluster.name_prefix if cluster else ""
    if prefix and not user.startswith(prefix):
        right = prefix + user.rpartition(".")[2]
        return (f"The user name lacks the cluster's prefix: {right}.", *_password(endpoint)), command(
            "doctor", subject, "--user", right
        )
    if failure.kind == "prefix":
        return ("The prefix of the user name does not belong to the cluster behind this host.",), Suggestion(
            "cluster", cluster.cluster_id
        ) if cluster else Suggestion("clusters")
    prompt = command("connect", subject, "--password-from", "prompt")
    if failure.kind == "encryption first":
        return (
            f"The login method of {user} (caching_sha2_password) needs an encrypted connection.",
            *_password(endpoint),
        ), command("doctor", subject, "--tls", TlsMode.AUTO.value)
    if failure.kind in {"password", "user", "host"}:
        bare = cluster is None and "." not in user
        missing = (
            "The user name lacks the cluster's prefix (<prefix>.root), which the list of clusters shows.",
        )
        return (*_password(endpoint), *(missing if bare else ())), prompt
    if failure.kind == "other":
        return ("The server refuses the login for the reason given.",), command("doctor", subject)
    return ("The server or a proxy in front of it closed the connection.",), command("doctor", subject)


def _password(endpoint: VpcEndpoint | None) -> tuple[str, ...]:
    named = f" ({endpoint.endpoint_id})" if endpoint else ""
    not_authorized = (
        f"The cluster's Authorized Networks have rules, but none for this endpoint{named}. Add one, or empty "
        "the table: an empty table allows every endpoint."
    )
    return ("The password is wrong, or the user does not exist.", not_authorized)
