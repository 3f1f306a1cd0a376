"""The methods of `Runbook` that log in to the private host and query it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidb_pe_magic import model
from tidb_pe_magic.runbook.performer import Performer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SqlMethods(Performer):
    """From a login to a DataFrame."""

    def connect(  # noqa: PLR0913 - the options of the command
        self,
        profile: str | None = None,
        *,
        cluster: str | None = None,
        endpoint: str | None = None,
        alias: str = "tidb",
        user: str | None = None,
        no_prefix: bool = False,
        database: str | None = None,
        password_from: str | None = None,
        tls: str = "auto",
        tls_name: str | None = None,
        ca: str | None = None,
        save: bool = False,
    ) -> model.Connection:
        """Log in to the private host, and register the connection with jupysql where there is a shell.

        Args:
            profile: `@NAME` of a saved connection, which is made again without asking a cloud; what else is
                given replaces what is saved.
            cluster: name or ID; default: the last one named.
            endpoint: ID; default: the cluster's only one.
            alias: name of the connection; an older one of this name is closed once the login has worked.
            no_prefix: leave the user's name alone.
            user: SQL user, with the cluster's prefix or without it; default: the cluster's root.
            database: default: none.
            password_from: `prompt`, `env:NAME`, `keyring:SERVICE` or `file:PATH`; default: what
                `sql_user` has kept, then `TIDB_PASSWORD`, then a prompt.
            tls: auto, off, verify-ca or verify-identity.
            tls_name: name to expect in the server's certificate.
            ca: PEM file of certificate authorities.
            save: save it under its alias, without the password, for `connect("@NAME")`.

        Raises:
            InvalidRequest: no connection of this name is saved, or its file is broken.
            StepOrderError: there is no endpoint, or it is not Connected yet.
            ConnectionFailed: with the stage that failed.
        """
        return self._do(
            model.Connection,
            "connect",
            cluster=cluster,
            endpoint=endpoint,
            alias=alias,
            user=user,
            no_prefix=no_prefix,
            database=database,
            password_from=password_from,
            tls=tls,
            tls_name=tls_name,
            ca=ca,
            profile=profile,
            save=save,
        )

    def connections(self) -> model.Connections:
        """List the connections that are open here and those that are saved; iterating gives the open ones."""
        return self._do(model.Connections, "connections")

    def connection_string(  # noqa: PLR0913 - the options of the command
        self,
        *,
        with_: str | None = None,
        cluster: str | None = None,
        endpoint: str | None = None,
        alias: str | None = None,
        user: str | None = None,
        no_prefix: bool = False,
        database: str | None = None,
        tls: str = "auto",
        tls_name: str | None = None,
        ca: str | None = None,
    ) -> model.ConnectionString:
        """Write the connection as another client reads it (3.4); `str()` of the result is the text alone.

        Args:
            with_: the client; without it they are listed, and nothing else is looked at.
            cluster: name or ID; default: the last one named.
            endpoint: ID; default: the cluster's only one.
            alias: open or saved connection to take the rest from; default: the one that was opened last,
                unless a cluster or an endpoint is named.
            no_prefix: leave the user's name alone.
            user: SQL user, with the cluster's prefix or without it; default: the connection's, or the
                cluster's root.
            database: default: the connection's, or none.
            tls: auto, off, verify-ca or verify-identity; auto is what the connection has, or what the
                server is seen to offer.
            tls_name: name to expect in the server's certificate.
            ca: PEM file of certificate authorities.

        Raises:
            StepOrderError: there is no connection of this alias, or no endpoint.
            InvalidRequest: the client's format cannot hold a value.
            ConnectionFailed: the server's certificate is refused.
        """
        return self._do(
            model.ConnectionString,
            "connection-string",
            with_=with_,
            cluster=cluster,
            endpoint=endpoint,
            alias=alias,
            user=user,
            no_prefix=no_prefix,
            database=database,
            tls=tls,
            tls_name=tls_name,
            ca=ca,
        )

    def query(  # noqa: PLR0913 - the options of the command
        self,
        sql: str,
        params: Mapping[str, object] | Sequence[object] | None = None,
        *,
        alias: str = "tidb",
        max_rows: int | None = None,
        max_memory: int | None = None,
        arrow: bool = False,
        dtypes: str = "arrow",
        to_parquet: str | None = None,
        partition_on: str | None = None,
        partitions: int | None = None,
        engine: str = "pandas",
    ) -> Any:
        """Read a statement's result over a connection that `connect` has opened.

        It may be called from several threads at once: each has a connection of the alias's pool. Progress
        comes as events; `QueryEnded` has rows, bytes, seconds and how many dates were none.

        Args:
            sql: one statement.
            params: values for each `?` (a sequence) or `:name` (a mapping); bound, never pasted.
            alias: of the connection.
            max_rows: read so many rows at most.
            max_memory: bytes that the result may take; default: half of what is free.
            arrow: return a `pyarrow.Table`.
            dtypes: of the frame's columns: `arrow`, or `numpy_nullable`.
            to_parquet: write to this file as the rows come; memory does not grow with the result.
            partition_on: integer column whose ranges are read at the same time, all as of one moment.
            partitions: how many ranges, each over its own connection; rows come in the ranges' order.
            engine: `dask` returns a Dask DataFrame whose partitions its workers read.

        Returns:
            A `pandas.DataFrame`, or what `arrow` or `engine` name; None where it was written to a file.

        Raises:
            StepOrderError: there is no such connection.
            MissingDependency: the extra `arrow`, or `dask`, is not installed.
            QueryError: refused, stopped or too large; the connection can be used again.
            ConnectionFailed: the connection was lost.
        """
        return self._do(
            model.QueryResult,
            "query",
            sql=sql,
            params=params,
            alias=alias,
            max_rows=max_rows,
            max_memory=max_memory,
            arrow=arrow,
            dtypes=dtypes,
            to_parquet=to_parquet,
            partition_on=partition_on,
            partitions=partitions,
            engine=engine,
        ).data

    def sql_user(  # noqa: PLR0913 - the options of the command
        self,
        action: str,
        name: str | None = None,
        *,
        cluster: str | None = None,
        role: str | None = None,
        store: str = "auto",
        no_prefix: bool = False,
        yes: bool = False,
    ) -> model.SqlUsers:
        """Make, list or delete SQL users, or give one a new password, which is kept and never shown.

        Args:
            action: create, list, delete or rotate.
            name: with the cluster's prefix or without it.
            cluster: name or ID; default: the last one named.
            role: readonly, readwrite or admin, of a new user.
            store: auto, keyring or file, where the password is kept.
            no_prefix: leave the name alone.
            yes: has to be True for delete.

        Raises:
            Conflict: there is a user of this name already.
            NotFound: there is none.
        """
        return self._do(
            model.SqlUsers,
            "sql-user",
            action=action,
            name=name,
            cluster=cluster,
            role=role,
            store=store,
            no_prefix=no_prefix,
            yes=yes,
        )

    def doctor(  # noqa: PLR0913 - the options of the command
        self,
        *,
        cluster: str | None = None,
        endpoint: str | None = None,
        host: str | None = None,
        port: int | None = None,
        user: str | None = None,
        no_prefix: bool = False,
        database: str | None = None,
        password_from: str | None = None,
        tls: str = "auto",
        tls_name: str | None = None,
        ca: str | None = None,
    ) -> model.Diagnosis:
        """Examine the connection stage by stage; there is an answer within ten seconds, whatever hangs.

        Args:
            cluster: name or ID; default: the last one named.
            endpoint: ID; default: the cluster's only one.
            host: examined without asking any cloud, unless a cluster or an endpoint is named too.
            port: default: the cluster's, or 4000 with a host.
            no_prefix: leave the user's name alone.
            user: SQL user, with the cluster's prefix or without it; default: the cluster's root.
            database: default: none.
            password_from: as in `connect`; without it, and without `TIDB_PASSWORD`, no login is tried.
            tls: auto, off, verify-ca or verify-identity.
            tls_name: name to expect in the server's certificate.
            ca: PEM file of certificate authorities.

        Raises:
            StepOrderError: no host is given, and there is no endpoint.
        """
        return self._do(
            model.Diagnosis,
            "doctor",
            cluster=cluster,
            endpoint=endpoint,
            host=host,
            port=port,
            user=user,
            no_prefix=no_prefix,
            database=database,
            password_from=password_from,
            tls=tls,
            tls_name=tls_name,
            ca=ca,
        )

    def disconnect(self, *, alias: str = "tidb", forget: bool = False) -> model.Disconnection:
        """Close a connection, and delete the saved one of this name where `forget` says so.

        One that is closed already is no error.
        """
        return self._do(model.Disconnection, "disconnect", alias=alias, forget=forget)
