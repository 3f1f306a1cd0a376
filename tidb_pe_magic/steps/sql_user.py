"""The step `sql-user`: create SQL users with minimal roles; their passwords are generated and never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.credentials import sql_passwords
from tidb_pe_magic.model import SqlUser, SqlUsers
from tidb_pe_magic.runtime.lock import exclusively
from tidb_pe_magic.steps.clusters import named_cluster

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import SqlUserRequest
    from tidb_pe_magic.model import Cluster, EventHook
    from tidb_pe_magic.runtime.context import Context

_MOST = 32  # characters of a user name in the MySQL protocol


def full_name(cluster: Cluster, name: str, *, no_prefix: bool = False) -> str:
    """Return the name with its cluster's prefix, which TiDB Cloud requires if the cluster has one."""
    if no_prefix or name.startswith(cluster.name_prefix):
        return name
    return f"{cluster.name_prefix}{name}"


def login_name(cluster: Cluster, user: str | None, *, no_prefix: bool = False, default: str = "") -> str:
    """Return the login user: the given user with the cluster's prefix, else the default or the root user."""
    if not user:
        return default or cluster.root_user
    return full_name(cluster, user, no_prefix=no_prefix)


def password_name(cluster: Cluster, user: str) -> str:
    """Return the key of a SQL user's stored password; without a prefix, it includes the cluster."""
    return user if cluster.user_prefix else f"{user}@{cluster.cluster_id}"


def sql_user(context: Context, request: SqlUserRequest, on_event: EventHook) -> SqlUsers:  # noqa: ARG001
    """List, create or delete a cluster's SQL users, or set a new password.

    Raises:
        InvalidRequest: an option is missing, or the password cannot be stored; nothing was changed.
        Conflict: a user with this name already exists.
        NotFound: the user does not exist.
        ServiceUnavailable: no answer; the error says what was stored and what to do.
        WaitCancelled: the stop button; the change may be done, and the error says what was stored.
    """
    cluster = named_cluster(context, request.cluster)
    if request.action == "list":
        users = context.iam().sql_users(cluster.cluster_id)
        return SqlUsers(action="list", cluster=cluster.display_name, items=users)
    if not request.name:
        raise errors.InvalidRequest("NAME", f"is missing: which SQL user to {request.action}.")
    name = full_name(cluster, request.name, no_prefix=request.no_prefix)
    if len(name) > _MOST:
        raise errors.InvalidRequest("NAME", f"{name} is longer than {_MOST} characters.")
    act = {"create": _create, "delete": _delete, "rotate": _rotate}[request.action]
    # Without a lock, if two kernels create one user, the refused one would delete the other's password.
    lock = f"sql-user-{quote(password_name(cluster, name), safe='')}"
    with exclusively(context, lock, f"changing the SQL user {name}"):
        user, stored = act(context, request, cluster, name)
    added = cluster.name_prefix if name != request.name else ""
    command = None if request.action == "delete" else Suggestion("connect", "--user", user.name)
    return SqlUsers(
        action=request.action,
        cluster=cluster.display_name,
        items=(user,),
        prefix_added=added,
        stored=stored,
        next_command=command,
    )


def _create(context: Context, request: SqlUserRequest, cluster: Cluster, name: str) -> tuple[SqlUser, str]:
    if not request.role:
        raise errors.InvalidRequest("--role", "is missing: readonly, readwrite or admin.")
    role = f"role_{request.role}"
    if request.role != "admin":  # a user that clusters share has no prefix
        role = f"{cluster.name_prefix}{role}"
    user, entry = SqlUser(name=name, role=role), password_name(cluster, name)
    if _find(context, cluster, name) is not None:
        kept = sql_passwords.stored_password(context.environ, entry) is not None
        raise errors.Conflict(
            f"SQL user {name} already exists.",
            operation="CreateSqlUser",
            advice=Advice(
                "", Suggestion("connect", "--user", name) if kept else Suggestion("sql-user", "rotate", name)
            ),
        )
    password = sql_passwords.new_password()
    # Store it before the call, because a password that only the cloud knows is lost.
    place = sql_passwords.store(context.environ, entry, password, where=request.store)
    try:
        with context.journal.change("CreateSqlUser", name, region_id=cluster.region_id):
            context.iam().create_sql_user(cluster.cluster_id, user, password)
    except (errors.TidbPeError, KeyboardInterrupt) as failure:
        if _is_refusal(failure):
            sql_passwords.forget(context.environ, entry)
            raise
        advice = Advice(
            f"The user may exist now. Its password is in {place}. If the list does not show the user, run "
            "the same command again.",
            Suggestion("sql-user", "list"),
        )
        raise _uncertain(failure, "creating", name, advice) from None
    return user, place


def _rotate(context: Context, request: SqlUserRequest, cluster: Cluster, name: str) -> tuple[SqlUser, str]:
    user, entry = _require(context, cluster, name, "UpdateSqlUser"), password_name(cluster, name)
    # The password of an earlier call may be valid until this call succeeds.
    earlier = sql_passwords.stored_password(context.environ, entry, pending=True)
    password = earlier.secret if earlier else sql_passwords.new_password()
    place = sql_passwords.store(context.environ, entry, password, where=request.store, pending=True)
    try:
        with context.journal.change("UpdateSqlUser", name, region_id=cluster.region_id):
            context.iam().set_sql_password(cluster.cluster_id, name, password)
    except (errors.TidbPeError, KeyboardInterrupt) as failure:
        if _is_refusal(failure):
            if earlier is None:
                sql_passwords.forget(context.environ, entry, pending=True)
            raise
        advice = Advice(
            f"Either the old or the new password is valid. Both are stored, the new one in {place}. Run the "
            "same command again to set the new one."
        )
        raise _uncertain(failure, "rotating", name, advice) from None
    return user, sql_passwords.promote(context.environ, entry)


def _delete(context: Context, request: SqlUserRequest, cluster: Cluster, name: str) -> tuple[SqlUser, str]:
    if not request.yes:
        raise errors.InvalidRequest(
            "--yes", f"is missing: it would delete the SQL user {name}.", advice="Add --yes to delete it."
        )
    user, entry = _require(context, cluster, name, "DeleteSqlUser"), password_name(cluster, name)
    with context.journal.change("DeleteSqlUser", name, region_id=cluster.region_id):
        context.iam().delete_sql_user(cluster.cluster_id, name)
    sql_passwords.forget(context.environ, entry)
    sql_passwords.forget(context.environ, entry, pending=True)
    return user, ""


def _is_refusal(failure: BaseException) -> bool:
    """Return whether the API certainly made no change; with retries, the last refusal is not proof."""
    if isinstance(failure, errors.ApiError):
        return not (failure.transient or isinstance(failure, errors.ServiceUnavailable))
    return not isinstance(failure, errors.WaitCancelled | KeyboardInterrupt)


def _uncertain(failure: BaseException, what: str, name: str, advice: Advice) -> errors.TidbPeError:
    """Return the failure with advice, if it is unknown whether the change is done."""
    if not isinstance(failure, errors.TidbPeError):
        return errors.WaitCancelled(f"stopped while {what} the SQL user {name}.", advice=advice)
    failure.advise(advice)
    return failure


def _require(context: Context, cluster: Cluster, name: str, operation: str) -> SqlUser:
    user = _find(context, cluster, name)
    if user is None:
        raise errors.NotFound(
            f"cluster {cluster.display_name} has no SQL user {name}.",
            operation=operation,
            advice=Advice("", Suggestion("sql-user", "list")),
        )
    return user


def _find(context: Context, cluster: Cluster, name: str) -> SqlUser | None:
    users = context.iam().sql_users(cluster.cluster_id)
    return next((user for user in users if user.name == name), None)
