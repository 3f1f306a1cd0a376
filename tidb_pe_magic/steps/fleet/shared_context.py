"""Look-ups that a run over a fleet makes only once, even if many rows need the answer.

The steps that plan a single endpoint use these clients like the normal ones. Only look-ups whose answer the
run itself does not change are cached. Checks of a current state, and all changes, go to the cloud.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from tidb_pe_magic import errors
from tidb_pe_magic.runtime.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tidb_pe_magic.clouds.alibaba.api import Alibaba
    from tidb_pe_magic.clouds.tidb_cloud import TidbCloud
    from tidb_pe_magic.model import Cluster, SecurityRules, VerifiedService, VpcEndpoint

T = TypeVar("T")


class Memory:
    """Cached answers by question; concurrent threads wait for the same answer."""

    def __init__(self) -> None:
        """Create an empty cache."""
        self._lock = threading.Lock()
        self._answers: dict[Hashable, Future[Any]] = {}

    def of(self, question: Hashable, ask: Callable[[], T]) -> T:
        """Return the cached answer, or call `ask` for it; errors are cached, too.

        A look-up that failed after all retries would fail again for each row.
        """
        with self._lock:
            known = self._answers.get(question)
            answer: Future[T] = known or Future()
            self._answers[question] = answer
        if known is None:
            try:
                answer.set_result(ask())
            except BaseException as error:  # noqa: BLE001 - raised again in each waiting thread
                answer.set_exception(error)
        return answer.result()


@dataclass(kw_only=True)
class LiveContext(Context):
    """A context that calls the clouds each time; after it is canceled, it starts no further call."""

    @classmethod
    def over(cls, context: Context) -> Self:
        """Return a context of this class that shares everything with the given one."""
        return cls(**{each.name: getattr(context, each.name) for each in fields(context)})

    def alibaba(self, region_id: str) -> Alibaba:
        """Return the client of a region; further errors as in `Context`.

        Raises:
            WaitCancelled: the context is cancelled.
        """
        if self.cancel.is_set():
            raise errors.WaitCancelled("stopped before the next call.", advice="Run the same command again.")
        return super().alibaba(region_id)


@dataclass(kw_only=True)
class SharedContext(LiveContext):
    """A context that makes each look-up once for all rows of a run."""

    memory: Memory = field(default_factory=Memory)

    def tidb_cloud(self) -> TidbCloud:
        """Return the client of TiDB Cloud; errors as in `Context`."""
        client = self.memory.of("TiDB Cloud", super().tidb_cloud)
        return cast("TidbCloud", _TidbCloud(client, self.memory))

    def alibaba(self, region_id: str) -> Alibaba:
        """Return the client of a region; errors as in `LiveContext`."""
        return cast("Alibaba", _Alibaba(super().alibaba(region_id), self.memory))


class _TidbCloud:
    """The cluster API, whose list is read once: one request per hundred clusters.

    One thread reads it while the others wait, because httpx counts the nonces of a Digest without a lock.
    """

    def __init__(self, client: TidbCloud, memory: Memory) -> None:
        self._client, self._memory = client, memory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def clusters(self, *, display_name: str = "", pages: int | None = None) -> tuple[Cluster, ...]:  # noqa: ARG002 - all pages are cached
        every = self._memory.of("clusters", self._client.clusters)
        return tuple(each for each in every if display_name in {"", each.display_name})

    def cluster(self, cluster_id: str) -> Cluster:
        for each in self.clusters():
            if each.cluster_id == cluster_id:
                return each
        raise errors.NotFound("it is not listed", operation="ListClusters")


class _Alibaba:
    """One region: its networks, and one list of its endpoints, a thousand to a request."""

    def __init__(self, client: Alibaba, memory: Memory) -> None:
        self._client, self._memory = client, memory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _once(self, ask: Callable[..., T], *words: str) -> T:
        return self._memory.of((self._client.region_id, ask.__name__, *words), lambda: ask(*words))

    def product_open(self) -> bool:
        return self._once(self._client.product_open)

    def vpcs(self) -> Any:
        return self._once(self._client.vpcs)

    def vswitches(self) -> Any:
        return self._once(self._client.vswitches)

    def security_groups(self) -> Any:
        return self._once(self._client.security_groups)

    def security_rules(self, group_id: str) -> SecurityRules:
        return self._once(self._client.security_rules, group_id)

    def service(self, service_name: str) -> VerifiedService | None:
        return self._once(self._client.service, service_name)

    def endpoints(
        self, *, service_name: str | None = None, vpc_id: str | None = None, endpoint_id: str | None = None
    ) -> tuple[VpcEndpoint, ...]:
        return tuple(
            each
            for each in self._once(self._client.endpoints)
            if service_name in {None, each.service_name}
            and vpc_id in {None, each.vpc_id}
            and endpoint_id in {None, each.endpoint_id}
        )
