"""The context of a step: clients, keys, the shell, and this kernel's current cluster and endpoint."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from tidb_pe_magic.clouds import hosts
from tidb_pe_magic.clouds.network import Network
from tidb_pe_magic.clouds.retries import Retries
from tidb_pe_magic.credentials.prompt import ask, ask_yes_no
from tidb_pe_magic.credentials.secrets import Environment
from tidb_pe_magic.files import state_directory
from tidb_pe_magic.model import Notice
from tidb_pe_magic.runtime.clients import Clients
from tidb_pe_magic.runtime.journal import Journal
from tidb_pe_magic.runtime.open_connections import OpenConnections
from tidb_pe_magic.runtime.query_log import QueryLog
from tidb_pe_magic.runtime.settings import Settings
from tidb_pe_magic.runtime.waiter import Waiter
from tidb_pe_magic.threads import interruptible_sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic.clouds.alibaba.api import Alibaba
    from tidb_pe_magic.clouds.tidb_cloud import TidbCloud
    from tidb_pe_magic.clouds.tidb_cloud_iam import TidbCloudIam
    from tidb_pe_magic.commands.fields import Request
    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.model import Event, EventHook, Result, Whereabouts

CLUSTER = "TIDB_PE_CLUSTER"
"""The environment variable with the cluster, if neither this command nor an earlier one selects it."""
CA = "TIDB_CA"
"""The environment variable with the file of the SQL server's certificate authorities."""


# The event hook of this thread's current command, because clients outlive commands.
# Clients are reused for many calls; the hook and the cancel event are those of the current call.
_listener: ContextVar[EventHook | None] = ContextVar("listener", default=None)
_NAMED_ANSWERS = 5.0  # seconds for each answer of a metadata service that the environment sets
_NO_LASTS = 30.0  # seconds for which "not an ECS instance" is cached
_cancel: ContextVar[threading.Event | None] = ContextVar("cancel", default=None)


@contextmanager
def ignoring_events() -> Iterator[EventHook]:
    """Open a hook that ignores events."""
    yield lambda _: None


def usual_frames() -> tuple[str, str]:
    """Return the default `dtypes` and `decimals`."""
    return "pandas", "auto"


def _no_runbook(name: str, request: Request) -> Result:  # noqa: ARG001 - replaced by a runbook
    raise RuntimeError("no runbook has this context")


@dataclass
class _LastUsed:
    """The cluster and endpoint used last; one object for a context and its copies."""

    cluster_id: str = ""
    endpoint_id: str = ""
    profile: str = ""
    profile_hosts: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Context:
    """The dependencies of each step.

    Attributes:
        environ: read at each use, so that a variable set in a cell counts.
        prompt: asks the user for a password.
        confirm: asks a yes-or-no question; raises EOFError if input is not possible.
        shell: IPython's shell; None if only an engine is needed.
        cancel: set it to end a wait.
        now: this machine's clock, in seconds since 1970.
        answer_timeout: seconds to wait for a cloud's answer in one call.
        metadata_timeout: seconds for each answer of the ECS metadata service.
        connections: open connections, by alias.
        cell: the call comes from a notebook cell, whose statements run in the alias's session.
        cell_events: opens the display for the events of one `%%sql` statement.
        cell_frames: returns `dtypes` and `decimals` for the frames of `%%sql`.
        counts_units: returns whether the Request Units of long statements are looked up.
        queries: the log of this process's queries.
        perform: performs an operation, given its name and request, as a separate call.
    """

    environ: Environment = field(default_factory=lambda: Environment(os.environ))
    prompt: Callable[[str], Secret] = ask
    confirm: Callable[[str], bool] = ask_yes_no
    shell: InteractiveShell | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], bool] | None = None
    now: Callable[[], float] = time.time
    answer_timeout: float = 15.0
    metadata_timeout: float = 0.5
    connections: OpenConnections = field(default_factory=OpenConnections)
    cell: bool = False
    cell_events: Callable[[], AbstractContextManager[EventHook]] = field(default=ignoring_events)
    cell_frames: Callable[[], tuple[str, str]] = field(default=usual_frames)
    counts_units: Callable[[], bool] = field(default=lambda: True)
    queries: QueryLog = field(default_factory=QueryLog)
    perform: Callable[[str, Request], Result] = field(default=_no_runbook)
    _no_call: threading.Event = field(default_factory=threading.Event)
    _named: _LastUsed = field(default_factory=_LastUsed)
    _clients: Clients = field(default_factory=Clients)
    _places: dict[str, tuple[Whereabouts | None, float]] = field(default_factory=dict)
    _skipped: set[str] = field(default_factory=set)
    _settings: Settings | None = field(default=None, repr=False)
    _asking: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def events_to(self, on_event: EventHook) -> Iterator[None]:
        """In this block, send the clients' events to `on_event`, and let this context cancel them."""
        before = _listener.set(on_event)
        cancel_before = _cancel.set(self.cancel)
        try:
            with self._clients.in_use():
                yield
        finally:
            _cancel.reset(cancel_before)
            _listener.reset(before)

    def emit(self, event: Event) -> None:
        """Send the event to the hook of this thread's command."""
        listener = _listener.get()
        if listener is not None:
            listener(event)

    @property
    def journal(self) -> Journal:
        """The user's journal, in the state directory of the current environment."""
        directory = state_directory(self.environ)
        return Journal(
            directory,
            now=self.now,
            on_problem=lambda text: self.emit(Notice(text=text)),
            emulated=self.emulated,
        )

    @property
    def retries(self) -> Retries:
        """The clients' retry policy over this context's clock, and the cancel event of each call."""
        return Retries(answer=self.answer_timeout, clock=self.clock, sleep=self._pause, on_event=self.emit)

    def _pause(self, seconds: float) -> bool:
        return interruptible_sleep(seconds, _cancel.get() or self._no_call, self.sleep)

    def authorities(self, named: str | None) -> str:
        """Return the file of authorities for verifying a SQL server's certificate.

        The given file has priority over the environment's; empty means the system's.
        """
        return named or self.environ.get(CA, "")

    @property
    def cluster_id(self) -> str:
        """The cluster that any call used last; empty if none was used."""
        return self._named.cluster_id

    @cluster_id.setter
    def cluster_id(self, cluster_id: str) -> None:
        self._named.cluster_id = cluster_id

    @property
    def endpoint_id(self) -> str:
        """The endpoint that this kernel created or used last; empty if there was none."""
        return self._named.endpoint_id

    @endpoint_id.setter
    def endpoint_id(self, endpoint_id: str) -> None:
        self._named.endpoint_id = endpoint_id

    @property
    def profile(self) -> str:
        """The ticloud profile whose key has priority; empty for none."""
        return self._named.profile

    @profile.setter
    def profile(self, profile: str) -> None:
        self._named.profile = profile
        self._settings = None

    @property
    def settings(self) -> Settings:
        """The keys and hosts of this call."""
        if self._settings is None:
            self._settings = Settings(environ=self.environ, profile=self.profile, on_ecs=self.on_ecs)
        return self._settings

    def for_call(
        self,
        *,
        cancel: threading.Event | None = None,
        prompt: Callable[[str], Secret] | None = None,
        remember: bool = True,
        cell: bool = False,
    ) -> Self:
        """Return this context for one call; everything else is shared with all other calls.

        Args:
            cancel: ends a wait of this call only.
            prompt: asks for a password in this call.
            remember: use this call's cluster as the default of the next calls.
            cell: the call comes from a notebook cell.
        """
        named = self._named if remember else replace(self._named)
        return replace(
            self,
            cancel=cancel or self.cancel,
            prompt=prompt or self.prompt,
            cell=cell,
            _named=named,
            _settings=None,
        )

    @property
    def waiter(self) -> Waiter:
        """A waiter over this context's clock and cancel event."""
        return Waiter(clock=self.clock, cancel=self.cancel, sleep=self.sleep)

    @property
    def network(self) -> Network:
        """Proxy and trust store of the environment. Warn once about invalid entries of NO_PROXY."""
        network = Network.of(self.environ)
        for entry in network.proxies.skipped:
            if entry not in self._skipped:
                self._skipped.add(entry)
                self.emit(Notice(text=f"NO_PROXY: the entry {entry} cannot be read and is skipped."))
        return network

    def tidb_cloud(self) -> TidbCloud:
        """Return the client for the current environment's key and host.

        Raises:
            MissingCredentials: no key was found.
            InvalidRequest: the host is not valid.
        """
        from tidb_pe_magic.clouds.tidb_cloud import TidbCloud  # noqa: PLC0415 - httpx is slow to import

        own_host, found = self.settings.tidb_cloud_host, self.settings.tidb_cloud
        base_url = own_host or self._host_of("api", found.api_host, found.place) or hosts.DEFAULT_TIDB_CLOUD
        key = found.own_key
        client: TidbCloud = self._clients.get(
            "tidb_cloud",
            (base_url, key, network := self.network),
            lambda: TidbCloud(base_url, key, now=self.now, retries=self.retries, network=network),
        )
        return client

    def iam(self) -> TidbCloudIam:
        """Return the client of TiDB Cloud's IAM API, for the same key.

        Raises:
            MissingCredentials: no key was found.
            InvalidRequest: the host is not valid.
        """
        from tidb_pe_magic.clouds.tidb_cloud_iam import TidbCloudIam  # noqa: PLC0415 - httpx is slow to import

        own_host, found = self.settings.iam_host, self.settings.tidb_cloud
        base_url = own_host or self._host_of("iam", found.iam_host, found.place)
        base_url = base_url or hosts.DEFAULT_TIDB_CLOUD_IAM
        key = found.own_key
        client: TidbCloudIam = self._clients.get(
            "iam",
            (base_url, key, network := self.network),
            lambda: TidbCloudIam(base_url, key, now=self.now, retries=self.retries, network=network),
        )
        return client

    def alibaba(self, region_id: str) -> Alibaba:
        """Return the client of a region for the current environment's key and host.

        Raises:
            MissingCredentials: only half a key is set.
            InvalidRequest: the host is not valid.
        """
        from tidb_pe_magic.clouds.alibaba.api import Alibaba  # noqa: PLC0415 - only some steps need it
        from tidb_pe_magic.clouds.alibaba.sdk import AlibabaClient  # noqa: PLC0415 - as above

        endpoint, key = self.settings.alibaba_host, self.settings.alibaba
        client: Alibaba = self._clients.get(
            f"alibaba {region_id}",
            (endpoint, key, network := self.network),
            lambda: Alibaba(
                AlibabaClient(region_id, key, endpoint=endpoint, retries=self.retries, network=network)
            ),
        )
        return client

    def whereabouts(self) -> Whereabouts | None:
        """Return where this machine is; None if it is not an ECS instance or the answer is late.

        A positive answer is cached; a negative one is checked again after half a minute, because an answer
        may be slow.

        Raises:
            InvalidRequest: the host is not valid.
        """
        from tidb_pe_magic.clouds import metadata  # noqa: PLC0415 - only some steps need it

        named = hosts.override(self.environ, hosts.METADATA)
        base_url = named or metadata.DEFAULT_METADATA
        # A service that the environment sets exists; without one, only ECS instances have a metadata service.
        timeout = max(self.metadata_timeout, _NAMED_ANSWERS) if named else self.metadata_timeout
        with self._asking:  # concurrent threads wait for the same answer
            known, until = self._places.get(base_url, (None, float("-inf")))
            if known is None and self.clock() >= until:
                known = metadata.whereabouts(base_url, timeout=timeout)
                self._places[base_url] = (known, self.clock() + _NO_LASTS)
            return known

    @property
    def via(self) -> tuple[str, ...]:
        """The API hosts that a variable or the key's profile sets instead of the clouds' own.

        Raises:
            InvalidRequest: one of them is not valid.
        """
        return tuple(dict.fromkeys((*hosts.overrides(self.environ), *self._named.profile_hosts.values())))

    @property
    def emulated(self) -> bool:
        """Whether Alibaba Cloud's API is replaced by one on this machine, so that nothing is billed.

        Raises:
            InvalidRequest: the host is not valid.
        """
        return hosts.is_loopback(urlsplit(self.settings.alibaba_host).hostname or "")

    def on_ecs(self) -> bool:
        """Return whether this machine is an ECS instance."""
        return self.whereabouts() is not None

    def _host_of(self, api: str, host: str, place: str) -> str:
        """Validate an API's host, record whether it replaces the cloud's own, and return it."""
        host = hosts.check_host(host, place)
        default = host in {"", hosts.DEFAULT_TIDB_CLOUD, hosts.DEFAULT_TIDB_CLOUD_IAM}
        # Create a new object: the copy for a call without `remember` must not share it.
        others = {name: known for name, known in self._named.profile_hosts.items() if name != api}
        self._named.profile_hosts = others if default else others | {api: host}
        return host

    def close(self) -> None:
        """Close the clients as soon as no call uses them."""
        self._clients.close()
