"""What a fault is: kind, operation, and the point of the call at which it strikes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba.errors import TOKEN_PROCESSING, WITHOUT_CONDITION
from tidb_pe_magic.sandbox.service import Service

if TYPE_CHECKING:
    from collections.abc import Mapping


class Point(StrEnum):
    """When a fault strikes: before the call is carried out, or when its answer is due, or in mid-answer."""

    BEFORE = "before"
    AFTER = "after"
    DURING = "during"


class Kind(StrEnum):
    """What goes wrong; `KINDS` says what each kind is."""

    THROTTLED = "throttled"
    THROTTLED_RETRY_AFTER = "throttled-retry-after"
    THROTTLED_RATELIMIT_RESET = "throttled-ratelimit-reset"
    THROTTLED_ACS_RETRY_AFTER = "throttled-acs-retry-after"
    SERVER_ERROR = "server-error"
    BAD_GATEWAY = "bad-gateway"
    RESET = "reset"
    BLACK_HOLE = "black-hole"
    DRIP = "drip"
    TRUNCATED = "truncated"
    UNKNOWN_STATE = "unknown-state"
    UNKNOWN_FIELDS = "unknown-fields"
    MISSING_FIELDS = "missing-fields"
    REPEATED_PAGE = "repeated-page"
    CLOCK_SKEW = "clock-skew"
    CONCURRENT_CALL = "concurrent-call"
    ENDPOINT_LOCKED = "endpoint-locked"
    REFUSED = "refused"
    STS_EXPIRED = "sts-expired"
    NONCE_EXPIRED = "nonce-expired"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Traits:
    """What is true of every fault of a kind.

    Attributes:
        summary: what goes wrong, in a few words.
        points: where it can strike; the first is the default.
        services: whose calls it can strike.
        operations: shell patterns of the operations that it makes sense for.
        seconds: the default of `Fault.seconds`, where the kind has a time.
    """

    summary: str
    points: tuple[Point, ...]
    services: frozenset[Service]
    operations: tuple[str, ...] = ("*",)
    seconds: float = 0.0


_CLOUDS = frozenset({Service.TIDB_CLOUD, Service.ALIBABA})
_TIDB_CLOUD, _ALIBABA = frozenset({Service.TIDB_CLOUD}), frozenset({Service.ALIBABA})
_BEFORE, _REWRITTEN = (Point.BEFORE,), (Point.DURING,)
_LOST = (Point.BEFORE, Point.AFTER)
_ANYWHERE = (Point.BEFORE, Point.AFTER, Point.DURING)
_CHANGES = ("Create*", "Delete*", "Add*", "Remove*", "Attach*", "Detach*", "Update*", "Tag*", "Untag*")
_LISTS = ("List*", "Describe*")

KINDS: Mapping[Kind, Traits] = MappingProxyType(
    {
        Kind.THROTTLED: Traits("too many calls, and no word on when to come back", _LOST, _CLOUDS),
        Kind.THROTTLED_RETRY_AFTER: Traits("too many calls, with Retry-After", _LOST, _CLOUDS, seconds=2),
        Kind.THROTTLED_RATELIMIT_RESET: Traits(
            "too many calls, with X-Ratelimit-Reset", _LOST, _TIDB_CLOUD, seconds=2
        ),
        Kind.THROTTLED_ACS_RETRY_AFTER: Traits(
            "too many calls, with x-acs-retry-after", _LOST, _ALIBABA, seconds=2
        ),
        Kind.SERVER_ERROR: Traits("status 500, in the API's own shape", _LOST, _CLOUDS),
        Kind.BAD_GATEWAY: Traits("status 502 with a page of HTML", _LOST, _CLOUDS),
        Kind.RESET: Traits("the connection is reset", _ANYWHERE, _CLOUDS),
        Kind.BLACK_HOLE: Traits(
            "no answer for so many seconds, then the end", _ANYWHERE, _CLOUDS, seconds=60
        ),
        Kind.DRIP: Traits("the answer's body takes so many seconds", _REWRITTEN, _CLOUDS, seconds=60),
        Kind.TRUNCATED: Traits("half of the JSON, as if it were all of it", _REWRITTEN, _CLOUDS),
        Kind.UNKNOWN_STATE: Traits("states that no document names", _REWRITTEN, _CLOUDS),
        Kind.UNKNOWN_FIELDS: Traits("fields that no document names", _REWRITTEN, _CLOUDS),
        Kind.MISSING_FIELDS: Traits("some of the fields are not there", _REWRITTEN, _CLOUDS),
        Kind.REPEATED_PAGE: Traits("the list never ends: its page comes again", _REWRITTEN, _CLOUDS, _LISTS),
        Kind.CLOCK_SKEW: Traits("the cloud's clock is 20 minutes ahead", _BEFORE, _CLOUDS),
        Kind.CONCURRENT_CALL: Traits("ConcurrentCallNotSupported", _BEFORE, _ALIBABA, _CHANGES),
        Kind.ENDPOINT_LOCKED: Traits("EndpointLocked", _BEFORE, _ALIBABA, _CHANGES),
        Kind.REFUSED: Traits("a code of PrivateLink's, such as QuotaMisMatched", _BEFORE, _ALIBABA, _CHANGES),
        Kind.STS_EXPIRED: Traits("the STS token has expired", _BEFORE, _ALIBABA),
        Kind.NONCE_EXPIRED: Traits("the digest nonce has expired (stale=true)", _BEFORE, _TIDB_CLOUD),
        Kind.CUT: Traits("the SQL connection is cut", _ANYWHERE, frozenset({Service.SQL})),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, a number of times.

    Attributes:
        kind: what goes wrong.
        operation: an action (`CreateVpcEndpoint`), an operation of TiDB Cloud's (`ListClusters`), or the
            first word of a SQL statement (`INSERT`; `LOGIN`, `PING`); `*` stands for any letters.
        point: when it strikes; the kind's first one by default.
        times: how many calls it strikes.
        skip: how many calls of the operation it lets pass first.
        seconds: what the retry header says, or how long a black hole or a drip lasts; the kind's default.
        code: what the call is refused with, of kind `refused`; PrivateLink's codes without a condition.
        seed: what is random in the kind, such as which fields are missing, follows from it.
    """

    kind: Kind
    operation: str = "*"
    point: Point = field(default=None)  # type: ignore[assignment]  # filled in below
    times: int = 1
    skip: int = 0
    seconds: float = field(default=None)  # type: ignore[assignment]  # filled in below
    seed: int = 0
    code: str = ""

    def __post_init__(self) -> None:
        """Fill in the kind's defaults.

        Raises:
            ValueError: the kind has no such point, or there is no such code.
        """
        kind = Kind(self.kind)
        traits = KINDS[kind]
        object.__setattr__(self, "kind", kind)
        if self.point is None:
            object.__setattr__(self, "point", traits.points[0])
        if self.seconds is None:
            object.__setattr__(self, "seconds", traits.seconds)
        object.__setattr__(self, "point", Point(self.point))
        if self.point not in traits.points:
            known = ", ".join(traits.points)
            raise ValueError(f"{kind} does not strike {self.point}; it strikes {known}")
        if kind is Kind.REFUSED and not self.code:
            object.__setattr__(self, "code", TOKEN_PROCESSING.code)
        if (kind is Kind.REFUSED) is not (self.code in WITHOUT_CONDITION):
            raise ValueError(f"{kind} has no code {self.code!r}; it has {', '.join(WITHOUT_CONDITION)}")

    def strikes(self, service: Service, operation: str) -> bool:
        """Tell whether it is about this operation."""
        traits = KINDS[self.kind]
        if service not in traits.services or not fnmatchcase(operation, self.operation):
            return False
        # A kind's own patterns bound a fault for any operation; whoever names one shall have it.
        return self.operation != "*" or any(fnmatchcase(operation, each) for each in traits.operations)

    def __str__(self) -> str:
        """Return it as `--fault` takes it."""
        code = f"={self.code}" if self.code else ""
        return f"{self.kind}{code}:{self.operation}:{self.point}"
