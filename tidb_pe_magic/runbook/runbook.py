"""The plain Python API: one written-out method for each operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.runbook.endpoint_methods import EndpointMethods
from tidb_pe_magic.runbook.sql_methods import SqlMethods

if TYPE_CHECKING:
    from collections.abc import Iterable


class Runbook(EndpointMethods, SqlMethods):
    """The tutorial's steps as methods; each looks at what is there first, and may be called twice.

    ::

        with Runbook() as runbook:
            runbook.cluster("demo")
            runbook.create(vpc="vpc-…", security_group=["sg-…"])
            runbook.wait()
            engine = runbook.connect(database="test").engine

    Keys are looked for at each call, in the order that `whoami` shows: the environment, then the profiles of
    `ticloud` and of Alibaba Cloud's command line, then RAM roles.

    Every method raises `InvalidRequest` for input that is not valid, `MissingCredentials` where a key is
    missing, and `ApiError` where a cloud refuses; further errors are named at each.
    """

    def run(  # noqa: PLR0913 - the options of the command
        self,
        cluster: str,
        *,
        vpc: str | None = None,
        security_group: Iterable[str] = (),
        zone: Iterable[str] = (),
        name: str | None = None,
        force: bool = False,
        timeout: float = 600.0,
        alias: str = "tidb",
        user: str | None = None,
        no_prefix: bool = False,
        database: str | None = None,
        password_from: str | None = None,
        tls: str = "auto",
        tls_name: str | None = None,
        ca: str | None = None,
    ) -> model.RunReport:
        """Do every step in order, skipping what is done; options as in `create`, `wait` and `connect`."""
        return self._do(
            model.RunReport,
            "run",
            cluster=cluster,
            vpc=vpc,
            security_group=security_group,
            zone=zone,
            name=name,
            force=force,
            timeout=timeout,
            alias=alias,
            user=user,
            no_prefix=no_prefix,
            database=database,
            password_from=password_from,
            tls=tls,
            tls_name=tls_name,
            ca=ca,
        )

    def whoami(self, *, profile: str | None = None) -> model.Whoami:
        """Show whose keys are used, where they come from, and whether a read call succeeds with each.

        Args:
            profile: ticloud profile to use from now on.

        Raises:
            InvalidRequest: ticloud has no such profile.
        """
        return self._do(model.Whoami, "whoami", profile=profile)

    def help(self, topic: str | None = None) -> model.HelpText:
        """Explain a topic, in Markdown; without one the topics are listed.

        Args:
            topic: one of `errors.TOPICS`, such as costs, keys or tls.
        """
        return self._do(model.HelpText, "help", topic=topic)
