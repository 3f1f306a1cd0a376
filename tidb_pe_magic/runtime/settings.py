"""Whose keys a call uses, and which hosts it asks: looked up once per call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tidb_pe_magic.clouds import hosts
from tidb_pe_magic.credentials import alibaba as alibaba_keys
from tidb_pe_magic.credentials import tidb_cloud as tidb_cloud_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.credentials.search import Found


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one call looks up; each value is found when it is first needed, and stays.

    Keyrings and files are read once, however many clients a call needs. The next call looks again, so that a
    variable set in a cell counts.

    Attributes:
        environ: the environment variables.
        profile: ticloud profile whose key comes before every other; empty for none.
        on_ecs: tells whether this machine is an ECS instance.
    """

    environ: Mapping[str, str]
    profile: str
    on_ecs: Callable[[], bool]

    @cached_property
    def tidb_cloud(self) -> Found:
        """The key of TiDB Cloud's APIs.

        Raises:
            MissingCredentials: there is no key.
        """
        return tidb_cloud_keys.find(self.environ, self.profile)

    @cached_property
    def alibaba(self) -> Found:
        """The key of Alibaba Cloud's APIs, or what makes one.

        Raises:
            MissingCredentials: there is no key, or only half of one.
        """
        return alibaba_keys.find(self.environ, self.on_ecs)

    @cached_property
    def alibaba_host(self) -> str:
        """The host that replaces Alibaba Cloud's own; empty for none."""
        return hosts.override(self.environ, hosts.ALIBABA)

    @cached_property
    def tidb_cloud_host(self) -> str:
        """The host of the cluster API that replaces the cloud's own, by a variable; empty for none."""
        return hosts.override(self.environ, hosts.TIDB_CLOUD)

    @cached_property
    def iam_host(self) -> str:
        """The host of the IAM API that replaces the cloud's own, by a variable; empty for none."""
        return hosts.override(self.environ, hosts.TIDB_CLOUD_IAM)
