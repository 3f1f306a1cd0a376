"""Views of keys and identities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.display.view import Code, Mark, Table, View
from tidb_pe_magic.display.views.base import view_of

if TYPE_CHECKING:
    from tidb_pe_magic.display.view import Cell, Kind

_KINDS: dict[model.KeyState, Kind] = {
    model.KeyState.USED: "ok",
    model.KeyState.PASSED_OVER: "warn",
    model.KeyState.BROKEN: "warn",
}


@view_of.register(model.Whoami)
def _whoami(whoami: model.Whoami) -> View:
    clouds = (whoami.tidb_cloud, whoami.alibaba)
    working = [each for each in clouds if each.works]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            each.cloud,
            _call(each),
            each.source + (f" [{each.provider}]" if each.provider else "") or "nowhere",
            Code(each.hint) if each.hint else "",
        )
        for each in clouds
    )
    places = tuple(
        Table(
            caption=f"{each.cloud}: places in order of precedence",
            header=("Place", "State", "Content"),
            rows=tuple(
                (place.place, Mark(_KINDS.get(place.state, "info"), place.state), place.detail)
                for place in each.places
            ),
        )
        for each in clouds
    )
    routes = (_routes(whoami.routes),) if whoami.routes else ()
    problems = tuple(
        Mark("no", f"{each.cloud}: {each.problem}") for each in whoami.routes if each.problem
    ) + tuple(
        Mark("warn", f"NO_PROXY: the entry {entry} is invalid and is skipped.") for entry in whoami.skipped
    )
    problems += tuple(
        Mark("info", f"{each.cloud}: the key comes from {place.place}.")
        for each in clouds
        for place in each.places
        if not each.works and place.state == model.KeyState.USED
    )
    title = "The keys of both clouds work"
    if len(working) < len(clouds):
        title = f"Keys: {len(working)} of {len(clouds)} work"
    return View(
        title=title,
        kind="ok" if len(working) == len(clouds) else "warn",
        tables=(Table(caption="", header=("Cloud", "Result", "Key from", "Key"), rows=rows),),
        notes=problems,
        next_command=Suggestion("clusters") if whoami.tidb_cloud.works else Suggestion("help", "keys"),
        details=(View(title="", tables=(*routes, *places), notes=_notes(whoami.rate)),),
    )


def _routes(routes: tuple[model.ApiRoute, ...]) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            each.cloud,
            Code(each.proxy) if each.proxy else "none",
            Mark("no", each.problem) if each.problem else each.trust,
        )
        for each in routes
    )
    return Table(
        caption="How the APIs are reached", header=("Cloud", "Proxy", "Trusted authorities"), rows=rows
    )


def _call(identity: model.CloudIdentity) -> Mark:
    if identity.works:
        return Mark("ok", identity.detail)
    called = f"{identity.call}: " if identity.call and identity.call not in identity.detail else ""
    return Mark(
        "warn" if identity.works is None else "no", f"{called}{identity.detail or 'no key available'}"
    )


def _notes(rate: model.RateLimit | None) -> tuple[Mark, ...]:
    if rate is None:
        return ()
    when = "" if rate.reset is None else f", for the next {rate.reset:g} s"
    return (
        Mark("info", f"TiDB Cloud: {rate.remaining} of {rate.limit} calls of this minute are left{when}."),
    )
