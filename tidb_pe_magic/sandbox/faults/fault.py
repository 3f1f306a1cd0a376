"""Faults: kind, operation, and the point of the call at which they strike."""

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
    """When a fault strikes: before the call is executed, before its answer, or during its answer."""

    BEFORE = "before"
    AFTER = "after"
    DURING = "during"


class Kind(StrEnum):
    """The kinds of faults; `KINDS` describes them."""

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
    """The properties of a kind.

    Attributes:
        summary: a short description.
        points: possible points; the first is the default.
        services: services whose calls it can strike.
        operations: shell patterns of the operations that it applies to.
        seconds: default of `Fault.seconds`, if the kind has a time.
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
        Kind.THROTTLED: Traits("too many calls, without a time for the retry", _LOST, _CLOUDS),
        Kind.THROTTLED_RETRY_AFTER: Traits("too many calls, with Retry-After", _LOST, _CLOUDS, seconds=2),
        Kind.THROTTLED_RATELIMIT_RESET: Traits(
            "too many calls, with X-Ratelimit-Reset", _LOST, _TIDB_CLOUD, seconds=2
        ),
        Kind.THROTTLED_ACS_RETRY_AFTER: Traits(
            "too many calls, with x-acs-retry-after", _LOST, _ALIBABA, seconds=2
        ),
        Kind.SERVER_ERROR: Traits("status 500, in the API's own format", _LOST, _CLOUDS),
        Kind.BAD_GATEWAY: Traits("status 502 with a page of HTML", _LOST, _CLOUDS),
        Kind.RESET: Traits("the connection is reset", _ANYWHERE, _CLOUDS),
        Kind.BLACK_HOLE: Traits(
            "no answer for some seconds, then the end of the connection", _ANYWHERE, _CLOUDS, seconds=60
        ),
        Kind.DRIP: Traits("the answer's body takes some seconds", _REWRITTEN, _CLOUDS, seconds=60),
        Kind.TRUNCATED: Traits("half of the JSON, with a matching length", _REWRITTEN, _CLOUDS),
        Kind.UNKNOWN_STATE: Traits("states that are not documented", _REWRITTEN, _CLOUDS),
        Kind.UNKNOWN_FIELDS: Traits("fields that are not documented", _REWRITTEN, _CLOUDS),
        Kind.MISSING_FIELDS: Traits("some of the fields are missing", _REWRITTEN, _CLOUDS),
        Kind.REPEATED_PAGE: Traits(
            "the list never ends: the same page is repeated", _REWRITTEN, _CLOUDS, _LISTS
        ),
        Kind.CLOCK_SKEW: Traits("the cloud's clock is 20 minutes ahead", _BEFORE, _CLOUDS),
        Kind.CONCURRENT_CALL: Traits("ConcurrentCallNotSupported", _BEFORE, _ALIBABA, _CHANGES),
        Kind.ENDPOINT_LOCKED: Traits("EndpointLocked", _BEFORE, _ALIBABA, _CHANGES),
        Kind.REFUSED: Traits(
            "an error code of PrivateLink, such as QuotaMisMatched", _BEFORE, _ALIBABA, _CHANGES
        ),
        Kind.STS_EXPIRED: Traits("the STS token has expired", _BEFORE, _ALIBABA),
        Kind.NONCE_EXPIRED: Traits("the digest nonce has expired (stale=true)", _BEFORE, _TIDB_CLOUD),
        Kind.CUT: Traits("the SQL connection is cut", _ANYWHERE, frozenset({Service.SQL})),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault, which strikes a number of times.

    Attributes:
        kind: the kind of fault.
        operation: an action (`CreateVpcEndpoint`), an operation of TiDB Cloud (`ListClusters`), or the
            first word of a SQL statement (`INSERT`; `LOGIN`, `PING`); `*` matches any letters.
        point: the point of the call; default: the kind's first one.
        times: number of calls that it strikes.
        skip: number of calls that pass first.
        seconds: value of the retry header, or duration of a black hole or a drip; default: the kind's.
        code: error code of kind `refused`, one of PrivateLink's codes without a known condition.
        seed: seed of the kind's random choices, such as the missing fields.
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
            ValueError: the kind does not have this point or code.
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
        """Return whether it applies to this operation."""
        traits = KINDS[self.kind]
        if service not in traits.services or not fnmatchcase(operation, self.operation):
            return False
        # A kind's patterns limit a fault for any operation, but an explicitly named operation is accepted.
        return self.operation != "*" or any(fnmatchcase(operation, each) for each in traits.operations)

    def __str__(self) -> str:
        """Return it in the format of `--fault`."""
        code = f"={self.code}" if self.code else ""
        return f"{self.kind}{code}:{self.operation}:{self.point}"
