"""Whose keys are used, where they come from, and whether they work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidb_pe_magic.model.base import Result

_SHOWN, _LONG = 4, 12


class KeyState(StrEnum):
    """The result of searching one place for a key."""

    USED = "used"
    PASSED_OVER = "holds a key, passed over"
    EMPTY = "none"
    BROKEN = "cannot be used"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, kw_only=True)
class KeyPlace:
    """A place where keys are looked up; `detail` is what was found there, or why the place cannot be used."""

    place: str
    state: KeyState
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """The remaining API calls of a key in this minute.

    Attributes:
        reset: seconds until the next minute; None if the answer does not say.
    """

    limit: int
    remaining: int
    reset: float | None = None


@dataclass(frozen=True, kw_only=True)
class CloudIdentity:
    """The key of one cloud.

    Attributes:
        cloud: its name.
        source: where the key is; empty if no key was found.
        provider: the SDK's name of the provider that issued a temporary key.
        hint: the public half's first characters; the private half is never shown.
        places: in order of priority.
        call: the read call that tested the key; empty if the key was not tested.
        works: whether the test succeeded; None if the key was not tested.
        detail: the test's result, or why it failed.
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
    """The network route to the API of one cloud.

    Attributes:
        cloud: its name.
        proxy: URL of the proxy, without a password; empty without a proxy.
        trust: the store of certificate authorities that verify the API host.
        problem: why the proxy or the store cannot be used; empty if both work.
    """

    cloud: str
    proxy: str = ""
    trust: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Whoami(Result):
    """The keys of both clouds, the remaining TiDB Cloud calls of this minute, and the routes to the APIs.

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
