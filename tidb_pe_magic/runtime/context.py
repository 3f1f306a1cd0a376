"""What a step works with: clients, keys, the shell, and what this kernel has named so far."""

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
from tidb_pe_magic.credentials.prompt import ask, confirmed
from tidb_pe_magic.credentials.secrets import Environment
from tidb_pe_magic.files import state_directory
from tidb_pe_magic.model import Notice
from tidb_pe_magic.runtime.clients import Clients
from tidb_pe_magic.runtime.journal import Journal
from tidb_pe_magic.runtime.open_connections import OpenConnections
from tidb_pe_magic.runtime.query_log import QueryLog
from tidb_pe_magic.runtime.settings import Settings
from tidb_pe_magic.runtime.waiter import Waiter
from tidb_pe_magic.threads import paused

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
"""The environment variable that names the cluster where neither a command nor an earlier one did."""
CA = "TIDB_CA"
"""The environment variable that names the file of the SQL server's certificate authorities."""


# Who hears the events of the command that this thread works at: clients outlive commands.
# Clients are kept for many calls: whom they tell, and what cancels them, is the present call's.
_listener: ContextVar[EventHook | None] = ContextVar("listener", default=None)
_NAMED_ANSWERS = 5.0  # seconds for each answer of a metadata service that the environment names
_NO_LASTS = 30.0  # seconds that "not an ECS instance" holds
_cancel: ContextVar[threading.Event | None] = ContextVar("cancel", default=None)


@contextmanager
def unheard() -> Iterator[EventHook]:
    """Open a hook for events that nobody listens to."""
    yield lambda _: None


def usual_frames() -> tuple[str, str]:
    """Return `dtypes` and `decimals` where nobody has chosen them."""
    return "pandas", "auto"


def _no_runbook(name: str, request: Request) -> Result:  # noqa: ARG001 - what a runbook replaces
    raise RuntimeError("no runbook has this context")


@dataclass
class _Named:
    """What was named last; one object for a context and those made from it."""

    cluster_id: str = ""
    endpoint_id: str = ""
    profile: str = ""
    profile_hosts: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Context:
    """The composition root's product, handed to each step.

    Attributes:
        environ: read at each use, so that a variable set in a cell counts.
        prompt: asks the person for a password.
        confirm: asks a question that is answered by yes or no; raises EOFError where nobody can be asked.
        shell: IPython's shell; None where only an engine is wanted.
        cancel: set it to end a wait.
        now: this machine's clock, in seconds since 1970.
        answer_timeout: seconds that a cloud may be silent in one call.
        metadata_timeout: seconds for each answer of the ECS metadata service.
        connections: what `connect` has opened and `disconnect` has not closed, by alias.
        cell: the call is a notebook's cell, whose statements run in the alias's one session.
        cell_events: opens what shows the events of one statement of `%%sql`.
        cell_frames: returns `dtypes` and `decimals` of the frames that `%%sql` returns.
        counts_units: tells whether the Request Units of statements that take long are asked for.
        queries: what was asked in this process.
        perform: does an operation, by its name and with its request, as a call of its own.
    """

    environ: Environment = field(default_factory=lambda: Environment(os.environ))
    prompt: Callable[[str], Secret] = ask
    confirm: Callable[[str], bool] = confirmed
    shell: InteractiveShell | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], bool] | None = None
    now: Callable[[], float] = time.time
    answer_timeout: float = 15.0
    metadata_timeout: float = 0.5
    connections: OpenConnections = field(default_factory=OpenConnections)
    cell: bool = False
    cell_events: Callable[[], AbstractContextManager[EventHook]] = field(default=unheard)
    cell_frames: Callable[[], tuple[str, str]] = field(default=usual_frames)
    counts_units: Callable[[], bool] = field(default=lambda: True)
    queries: QueryLog = field(default_factory=QueryLog)
    perform: Callable[[str, Request], Result] = field(default=_no_runbook)
    _no_call: threading.Event = field(default_factory=threading.Event)
    _named: _Named = field(default_factory=_Named)
    _clients: Clients = field(default_factory=Clients)
    _places: dict[str, tuple[Whereabouts | None, float]] = field(default_factory=dict)
    _skipped: set[str] = field(default_factory=set)
    _settings: Settings | None = field(default=None, repr=False)
    _asking: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def heard_by(self, on_event: EventHook) -> Iterator[None]:
        """Let `on_event` hear the clients, and this context cancel them, while the thread is in the block."""
        before = _listener.set(on_event)
        cancel_before = _cancel.set(self.cancel)
        try:
            with self._clients.in_use():
                yield
        finally:
            _cancel.reset(cancel_before)
            _listener.reset(before)

    def tell(self, event: Event) -> None:
        """Give the event to whom this thread's command is heard by."""
        listener = _listener.get()
        if listener is not None:
            listener(event)

    @property
    def journal(self) -> Journal:
        """The user's journal, in the state directory that the environment names now."""
        directory = state_directory(self.environ)
        return Journal(
            directory,
            now=self.now,
            on_problem=lambda text: self.tell(Notice(text=text)),
            emulated=self.emulated,
        )

    @property
    def retries(self) -> Retries:
        """The clients' retry policy over this context's clock, and the cancel event of each call."""
        return Retries(answer=self.answer_timeout, clock=self.clock, sleep=self._paused, on_event=self.tell)

    def _paused(self, seconds: float) -> bool:
        return paused(seconds, _cancel.get() or self._no_call, self.sleep)

    def authorities(self, named: str | None) -> str:
        """Return the file of authorities that a SQL server's certificate is verified against.

        The named one comes first, then the environment's; empty means the system's.
        """
        return named or self.environ.get(CA, "")

    @property
    def cluster_id(self) -> str:
        """The cluster that was named last, in whichever call; empty where none was."""
        return self._named.cluster_id

    @cluster_id.setter
    def cluster_id(self, cluster_id: str) -> None:
        self._named.cluster_id = cluster_id

    @property
    def endpoint_id(self) -> str:
        """The endpoint that this kernel created or used last; empty where there was none."""
        return self._named.endpoint_id

    @endpoint_id.setter
    def endpoint_id(self, endpoint_id: str) -> None:
        self._named.endpoint_id = endpoint_id

    @property
    def profile(self) -> str:
        """The ticloud profile whose key comes before every other; empty for none."""
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
        """Return this context for one call; what is not given here is shared with all other calls.

        Args:
            cancel: ends a wait of this call alone.
            prompt: asks for a password in this call.
            remember: the cluster that this call names is the default of the next ones.
            cell: the call is a notebook's cell.
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
        """Proxy and trust store of the environment; entries of NO_PROXY that cannot be read are told once."""
        network = Network.of(self.environ)
        for entry in network.proxies.skipped:
            if entry not in self._skipped:
                self._skipped.add(entry)
                self.tell(Notice(text=f"NO_PROXY: the entry {entry} cannot be read and is skipped."))
        return network

    def tidb_cloud(self) -> TidbCloud:
        """Return the client for the key and host that the environment names now.

        Raises:
            MissingCredentials: there is no key.
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
            MissingCredentials: there is no key.
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
        """Return the client of a region for the key and host that the environment names now.

        Raises:
            MissingCredentials: only half a key is set.
            InvalidRequest: the host is not valid.
        """
        from tidb_pe_magic.clouds.alibaba.api import Alibaba  # noqa: PLC0415 - only some steps need it

        endpoint, key = self.settings.alibaba_host, self.settings.alibaba
        client: Alibaba = self._clients.get(
            f"alibaba {region_id}",
            (endpoint, key, network := self.network),
            lambda: Alibaba(region_id, key, endpoint=endpoint, retries=self.retries, network=network),
        )
        return client

    def whereabouts(self) -> Whereabouts | None:
        """Return where this machine is; None if it is not an ECS instance or the answer is late.

        An instance stays one; a no is asked again after half a minute, since one answer may be slow.

        Raises:
            InvalidRequest: the host is not valid.
        """
        from tidb_pe_magic.clouds import metadata  # noqa: PLC0415 - only some steps need it

        named = hosts.override(self.environ, hosts.METADATA)
        base_url = named or metadata.DEFAULT_METADATA
        # One that is named is there: only elsewhere than on ECS does nobody answer.
        patience = max(self.metadata_timeout, _NAMED_ANSWERS) if named else self.metadata_timeout
        with self._asking:  # two threads that ask at once wait for the same answer
            known, until = self._places.get(base_url, (None, float("-inf")))
            if known is None and self.clock() >= until:
                known = metadata.whereabouts(base_url, timeout=patience)
                self._places[base_url] = (known, self.clock() + _NO_LASTS)
            return known

    @property
    def via(self) -> tuple[str, ...]:
        """The API hosts that replace the clouds' own, by a variable or by the key's profile.

        Raises:
            InvalidRequest: one of them is not valid.
        """
        return tuple(dict.fromkeys((*hosts.overrides(self.environ), *self._named.profile_hosts.values())))

    @property
    def emulated(self) -> bool:
        """Alibaba Cloud's API is replaced by one on this machine: nothing is billed.

        Raises:
            InvalidRequest: the host is not valid.
        """
        return hosts.is_loopback(urlsplit(self.settings.alibaba_host).hostname or "")

    def on_ecs(self) -> bool:
        """Tell whether this machine is an ECS instance."""
        return self.whereabouts() is not None

    def _host_of(self, api: str, host: str, place: str) -> str:
        """Return the host of an API that belongs to a key; the cloud's own is no replacement."""
        host = hosts.checked(host, place)
        default = host in {"", hosts.DEFAULT_TIDB_CLOUD, hosts.DEFAULT_TIDB_CLOUD_IAM}
        # A new one: a call that is not to be remembered has a copy, which must not share it.
        others = {name: known for name, known in self._named.profile_hosts.items() if name != api}
        self._named.profile_hosts = others if default else others | {api: host}
        return host

    def close(self) -> None:
        """Close the clients, once no call uses them any more."""
        self._clients.close()
