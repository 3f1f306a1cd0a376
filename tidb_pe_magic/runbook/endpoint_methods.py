"""The methods of `Runbook` that ask and change the clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.runbook.performer import Performer

if TYPE_CHECKING:
    from collections.abc import Iterable


class EndpointMethods(Performer):
    """From the list of clusters to a Connected endpoint, and to its deletion."""

    def clusters(self) -> model.Clusters:
        """List the clusters (1.1), usable ones first; each knows the restriction that it meets."""
        return self._do(model.Clusters, "clusters")

    def cluster(self, cluster: str) -> model.Cluster:
        """Take note of a cluster (1.2-1.4), the default of the steps that follow.

        Args:
            cluster: name or ID.

        Raises:
            NotEligible: provider, plan, state or service do not allow a private endpoint.
        """
        return self._do(model.Cluster, "cluster", cluster=cluster)

    def networks(self, *, cluster: str | None = None) -> model.Networks:
        """List VPCs, vSwitches and security groups of the cluster's region, usable ones first."""
        return self._do(model.Networks, "networks", cluster=cluster)

    def verify(self, *, cluster: str | None = None) -> model.VerifiedService:
        """Look the endpoint service up as the endpoint's owner (2.5-2.6).

        Raises:
            NotFound: it is not visible to this account.
        """
        return self._do(model.VerifiedService, "verify", cluster=cluster)

    def plan(
        self,
        *,
        cluster: str | None = None,
        vpc: str | None = None,
        security_group: Iterable[str] = (),
        zone: Iterable[str] = (),
        name: str | None = None,
    ) -> model.EndpointPlan:
        """Show what `create` would make and bill (2.1-2.8), with the API's dry run; nothing is changed.

        Raises:
            NotEligible: VPC, vSwitch or zone cannot be used with this cluster.
        """
        return self._do(
            model.EndpointPlan,
            "plan",
            cluster=cluster,
            vpc=vpc,
            security_group=security_group,
            zone=zone,
            name=name,
        )

    def create(  # noqa: PLR0913 - the options of the command
        self,
        *,
        cluster: str | None = None,
        vpc: str | None = None,
        security_group: Iterable[str] = (),
        zone: Iterable[str] = (),
        name: str | None = None,
        force: bool = False,
    ) -> model.CreatedEndpoint:
        """Make the endpoint (2.1-2.8), or adopt the one that exists for this service and VPC.

        Args:
            cluster: name or ID; default: the last one named.
            vpc: ID; default: this notebook's where it is usable, else the only usable one of the region.
            security_group: IDs, at most 10; default: the only one of the VPC.
            zone: `ZONE`, `ZONE=VSWITCH` or `all`; each zone is billed by the hour; default: two zones,
                this notebook's first.
            name: of the endpoint.
            force: go on even though the preflight says stop.

        Raises:
            NotEligible: VPC, vSwitch or zone cannot be used with this cluster.
            PreflightFailed: it would not work; nothing was made.
        """
        return self._do(
            model.CreatedEndpoint,
            "create",
            cluster=cluster,
            vpc=vpc,
            security_group=security_group,
            zone=zone,
            name=name,
            force=force,
        )

    def wait(
        self, *, cluster: str | None = None, endpoint: str | None = None, timeout: float = 600.0
    ) -> model.VpcEndpoint:
        """Wait until the endpoint is Active and its connection Connected (2.9).

        Args:
            cluster: name or ID; default: the last one named.
            endpoint: ID; default: the cluster's only one.
            timeout: seconds.

        Raises:
            StepOrderError: there is no endpoint yet.
            WaitTimeout: the time is over; the cloud's work goes on.
            WaitCancelled: the wait was stopped; the cloud's work goes on.
            EndpointFailed: it will never be connected.
        """
        return self._do(model.VpcEndpoint, "wait", cluster=cluster, endpoint=endpoint, timeout=timeout)

    def status(self, *, cluster: str | None = None, endpoint: str | None = None) -> model.RunbookStatus:
        """Ask the clouds for each step's state, and name the next command."""
        return self._do(model.RunbookStatus, "status", cluster=cluster, endpoint=endpoint)

    def endpoints(self, *, cluster: str | None = None, region: str | None = None) -> model.Endpoints:
        """List this account's endpoints for the cluster's service, the first 20 with zones and addresses.

        Args:
            cluster: name or ID; default: the last one named.
            region: ID; instead of a cluster's, every endpoint that was made here in it.
        """
        return self._do(model.Endpoints, "endpoints", cluster=cluster, region=region)

    def delete(  # noqa: PLR0913 - the options of the command
        self,
        endpoint: str,
        *,
        cluster: str | None = None,
        timeout: float = 600.0,
        region: str | None = None,
        yes: bool = False,
        adopted: bool = False,
    ) -> model.Deletion:
        """Delete an endpoint: connections, zones, then the endpoint; returns when it is gone.

        Args:
            endpoint: ID.
            cluster: name or ID of a cluster in the endpoint's region; default: the last one named.
            timeout: seconds.
            region: ID of the endpoint's region, instead of a cluster in it.
            yes: has to be True.
            adopted: has to be True for an endpoint that does not carry our tag.

        Raises:
            InvalidRequest: there is no such endpoint, and none was ever made or deleted here.
            NotEligible: it does not carry our tag.
            WaitTimeout: the time is over; the cloud's work goes on.
        """
        return self._do(
            model.Deletion,
            "delete",
            endpoint=endpoint,
            cluster=cluster,
            timeout=timeout,
            region=region,
            yes=yes,
            adopted=adopted,
        )

    def fleet(  # noqa: PLR0913 - the options of the command
        self,
        action: str,
        file: str,
        *,
        parallel: int = 4,
        timeout: float = 600.0,
        force: bool = False,
        yes: bool = False,
        adopted: bool = False,
    ) -> model.Fleet:
        """Plan, make, look at or delete the endpoints of many clusters and VPCs.

        Args:
            action: init, which writes a template of the file, plan, apply, status or delete.
            file: path of the TOML file.
            parallel: rows to work on at a time, at most 16.
            timeout: seconds to wait for all the rows together.
            force: make endpoints even though the preflight says stop.
            yes: has to be True for delete.
            adopted: delete endpoints that do not carry our tag, too.

        Raises:
            InvalidRequest: the file is not valid; every problem of it is named, and nothing was done.
            FleetFailed: some rows failed; its `fleet` tells of every row.
            WaitCancelled: it was stopped; the clouds' work goes on, and the same call takes it up again.
        """
        return self._do(
            model.Fleet,
            "fleet",
            action=action,
            file=file,
            parallel=parallel,
            timeout=timeout,
            force=force,
            yes=yes,
            adopted=adopted,
        )

    def permissions(self, *, cluster: str | None = None, clean_up: bool = False) -> model.Permissions:
        """Show the least RAM policy for plan, create, wait and connect, as JSON; nothing is changed.

        Args:
            cluster: name or ID, for its region alone; default: the last one named, else every region.
            clean_up: also what `delete` needs.
        """
        return self._do(model.Permissions, "permissions", cluster=cluster, clean_up=clean_up)

    def history(self, *, limit: int = 20) -> model.History:
        """Show what this user changed in Alibaba Cloud from this machine, the latest first.

        Args:
            limit: changes at most.
        """
        return self._do(model.History, "history", limit=limit)

    def export(  # noqa: PLR0913 - the options of the command
        self,
        format: str,  # noqa: A002 - the word of the command
        *,
        cluster: str | None = None,
        vpc: str | None = None,
        security_group: Iterable[str] = (),
        zone: Iterable[str] = (),
        name: str | None = None,
        endpoint: str | None = None,
        to: str | None = None,
        replace: bool = False,
    ) -> model.Export:
        """Write the endpoint as infrastructure as code, for review; `str()` of the result is the text.

        Args:
            format: `terraform` or `aliyun-cli`.
            cluster: as in `create`, as are the next four.
            vpc: see `cluster`.
            security_group: see `cluster`.
            zone: see `cluster`.
            name: see `cluster`.
            endpoint: ID of one that exists; default: the one that `plan` would adopt, or else what `create`
                would make.
            to: file to write, which is replaced only where it is an earlier export that nobody has changed.
            replace: replace any other file, too.

        Raises:
            InvalidRequest: the file exists and is none of ours, or an argument is not valid.
            StepOrderError: the endpoint is being deleted, or too little is known to plan one.
        """
        return self._do(
            model.Export,
            "export",
            format=format,
            cluster=cluster,
            vpc=vpc,
            security_group=security_group,
            zone=zone,
            name=name,
            endpoint=endpoint,
            to=to,
            replace=replace,
        )
