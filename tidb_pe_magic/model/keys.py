"""Whose keys are used, where they come from, and whether they work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidb_pe_magic.model.base import Result

_SHOWN, _LONG = 4, 12


class KeyState(StrEnum):
    """What a place has for the search of a key."""

    USED = "used"
    PASSED_OVER = "holds a key, passed over"
    EMPTY = "none"
    BROKEN = "cannot be used"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, kw_only=True)
class KeyPlace:
    """A place that keys are looked for in: `detail` is what was found there, or why it cannot be used."""

    place: str
    state: KeyState
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """What is left of the calls that a key may make in this minute.

    Attributes:
        reset: seconds until the next minute begins; None where that was not told.
    """

    limit: int
    remaining: int
    reset: float | None = None


@dataclass(frozen=True, kw_only=True)
class CloudIdentity:
    """The key of one cloud.

    Attributes:
        cloud: its name.
        source: where the key is; empty where there is none.
        provider: the SDK's name of what made a temporary key.
        hint: the public half's first characters; the private half is never shown.
        places: in the order in which they count.
        call: the read call that tested the key; empty if none did.
        works: it succeeded; None if the key was not tested.
        detail: what it told, or why it failed.
    """

    cloud: str
    source: str = ""
    provider: str = ""
    hint: str = ""
    places: tuple[KeyPlace, ...] = ()
    call: str = ""
    works: bool | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ApiRoute:
    """How the API of one cloud is reached.

    Attributes:
        cloud: its name.
        proxy: URL of the proxy, without a password; empty where there is none.
        trust: the store of authorities that vouch for the API's host.
        problem: why the proxy or the store cannot be used; empty where they can.
    """

    cloud: str
    proxy: str = ""
    trust: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Whoami(Result):
    """The keys of both clouds, what is left of TiDB Cloud's calls per minute, and how the APIs are reached.

    Attributes:
        routes: one for each cloud.
        skipped: entries of NO_PROXY that cannot be read.
    """

    tidb_cloud: CloudIdentity
    alibaba: CloudIdentity
    rate: RateLimit | None = None
    routes: tuple[ApiRoute, ...] = ()
    skipped: tuple[str, ...] = ()


def key_hint(public: str) -> str:
    """Return the first characters of a key's public half, enough to tell two keys apart."""
    return f"{public[:_SHOWN]}…{public[-2:]}" if len(public) >= _LONG else f"{public[:2]}…"
