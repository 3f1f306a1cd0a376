"""What is shown of keys and identities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.display.layout import Code, Mark, Table, View
from tidb_pe_magic.display.views.base import view_of

if TYPE_CHECKING:
    from tidb_pe_magic.display.layout import Cell, Kind

_KINDS: dict[model.KeyState, Kind] = {
    model.KeyState.USED: "ok",
    model.KeyState.PASSED_OVER: "warn",
    model.KeyState.BROKEN: "no",
}


@view_of.register(model.Whoami)
def _whoami(whoami: model.Whoami) -> View:
    clouds = (whoami.tidb_cloud, whoami.alibaba)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            each.cloud,
            each.source + (f" [{each.provider}]" if each.provider else "") or Mark("no", "nowhere"),
            Code(each.hint) if each.hint else "",
            _call(each),
            each.detail,
        )
        for each in clouds
    )
    tables = [
        Table(caption="", header=("Cloud", "Key from", "Key", "Read call", "What it told"), rows=rows),
        *(
            Table(
                caption=f"{each.cloud}: places in the order in which they count",
                header=("Place", "State", "What is there"),
                rows=tuple(
                    (place.place, Mark(_KINDS.get(place.state, "info"), place.state), place.detail)
                    for place in each.places
                ),
            )
            for each in clouds
        ),
    ]
    if whoami.routes:
        tables.insert(1, _routes(whoami.routes))
    notes = _notes(whoami.rate) + tuple(
        Mark("warn", f"NO_PROXY: the entry {entry} cannot be read and is skipped.")
        for entry in whoami.skipped
    )
    return View(title="Keys in use", tables=tuple(tables), notes=notes)


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


def _call(identity: model.CloudIdentity) -> Cell:
    if identity.works is None:
        return "none was made"
    return Mark("ok" if identity.works else "no", identity.call or "no key was had")


def _notes(rate: model.RateLimit | None) -> tuple[Mark, ...]:
    if rate is None:
        return ()
    when = "" if rate.reset is None else f", for the next {rate.reset:g} s"
    return (
        Mark("info", f"TiDB Cloud: {rate.remaining} of {rate.limit} calls of this minute are left{when}."),
    )
