"""The keys and hosts of a call, looked up once per call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tidb_pe_magic.clouds import hosts
from tidb_pe_magic.credentials import alibaba as alibaba_keys
from tidb_pe_magic.credentials import tidb_cloud as tidb_cloud_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.credentials.search import KeyMatch


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one call; each value is looked up when first needed, then cached.

    Keyrings and files are read once, even if a call needs several clients. The next call reads them again, so
    that a variable set in a cell takes effect.

    Attributes:
        environ: the environment variables.
        profile: ticloud profile whose key has priority; empty for none.
        on_ecs: returns whether this machine is an ECS instance.
    """

    environ: Mapping[str, str]
    profile: str
    on_ecs: Callable[[], bool]

    @cached_property
    def tidb_cloud(self) -> KeyMatch:
        """The key of TiDB Cloud's APIs.

        Raises:
            MissingCredentials: no key was found.
        """
        return tidb_cloud_keys.find(self.environ, self.profile)

    @cached_property
    def alibaba(self) -> KeyMatch:
        """The key of Alibaba Cloud's APIs, or a provider of keys.

        Raises:
            MissingCredentials: no key was found, or only half of one.
        """
        return alibaba_keys.find(self.environ, self.on_ecs)

    @cached_property
    def alibaba_host(self) -> str:
        """The host that replaces Alibaba Cloud's own; empty for none."""
        return hosts.override(self.environ, hosts.ALIBABA)

    @cached_property
    def tidb_cloud_host(self) -> str:
        """The host that a variable sets for the cluster API; empty for the cloud's own."""
        return hosts.override(self.environ, hosts.TIDB_CLOUD)

    @cached_property
    def iam_host(self) -> str:
        """The host that a variable sets for the IAM API; empty for the cloud's own."""
        return hosts.override(self.environ, hosts.TIDB_CLOUD_IAM)
