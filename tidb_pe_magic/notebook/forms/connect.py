"""Step 3: watch the endpoint become Connected, connect, and ask a first query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tidb_pe_magic import model
from tidb_pe_magic.commands.requests import ConnectRequest, EndpointsRequest, WaitRequest
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.display.render import timeline
from tidb_pe_magic.notebook.forms.delete_endpoint import DeleteEndpoint
from tidb_pe_magic.notebook.forms.session import Action
from tidb_pe_magic.notebook.forms.fields import Sheet, field_for
from tidb_pe_magic.notebook.forms.fragments import folded
from tidb_pe_magic.notebook.forms.password import PasswordField
from tidb_pe_magic.notebook.forms.pickers import Picker
from tidb_pe_magic.notebook.forms.query import QueryStep
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.notebook.forms.session import Desk
    from tidb_pe_magic.notebook.forms.pickers import Offer

_NO_ENDPOINT: Offer = ("— none yet —", "")
_SEVERAL: Offer = ("— not chosen —", "")
_MAIN = ("alias", "database", "tls")
_FOLDED, _UNFOLDED = "▸ More options", "▾ More options"
_MORE = ("user", "password_from", "tls_name", "ca", "save")
_WORDS = {"save": "Save it under its alias, without the password"}


class Connect:
    """The step's controls.

    Attributes:
        title: the step's name.
        box: its controls.
        query: the first query.
        delete: ends the endpoint.
    """

    title = "Connect"

    def __init__(self, desk: Desk) -> None:
        """Show that no endpoint is known yet."""
        self._desk = desk
        self._new: model.VpcEndpoint | None = None
        self._alive: list[model.VpcEndpoint] = []
        self.endpoint = Picker(ConnectRequest, "endpoint")
        self.endpoint.on_change(self._show)
        self.timeout = field_for(WaitRequest, "timeout", description="Wait at most (seconds)")
        self.list = Action(
            desk,
            "endpoints",
            "Look again",
            Sheet(EndpointsRequest),
            then=self._listed,
            show=lambda _: "",
            summarize=False,
        )
        self.wait = Action(
            desk,
            "wait",
            "Wait until Connected",
            Sheet(WaitRequest, [self.endpoint, self.timeout]),
            then=self._ready,
            show=folded,
            on_event=self._seen,
        )
        self.login = {
            name: field_for(ConnectRequest, name, description=_WORDS.get(name, ""))
            for name in (*_MAIN, *_MORE)
        }
        self.password = PasswordField()
        self.connect = Action(
            desk,
            "connect",
            "Connect",
            Sheet(ConnectRequest, [self.endpoint, *self.login.values()]),
            given=self._given,
            then=self._connected,
            prompt=self._prompt,
        )
        self.query = QueryStep(desk)
        self.delete = DeleteEndpoint(desk, self._gone)
        self.password.on_change(self.connect.refresh)
        self.box = self._laid_out()

    def _laid_out(self) -> Any:
        waiting = widgets.VBox([self.endpoint.box, self.timeout.box]).add_class("tidb-pe-fields")
        main = [self.login["alias"].box, self.login["database"].box, self.login["tls"].box, self.password.box]
        more = widgets.VBox([self.login[name].box for name in _MORE]).add_class("tidb-pe-fields")
        more.layout.display = "none"
        toggle = widgets.ToggleButton(description=_FOLDED, tooltip="SQL user, password source, certificates")
        toggle.observe(without_values()(lambda change: _unfold(toggle, more, shown=change["new"])), "value")
        return widgets.VBox(
            [
                waiting,
                self.list.box,
                self.wait.box,
                widgets.VBox(main).add_class("tidb-pe-fields"),
                toggle.add_class("tidb-pe-more"),
                more,
                self.connect.box,
                self.query.box,
                self.delete.box,
            ]
        )

    @property
    def state(self) -> str:
        """What there is, in a few words; empty before."""
        seen = self._desk.picture
        if seen.aliases:
            return f"connected as {', '.join(seen.aliases)}"
        endpoint = seen.endpoint
        if endpoint is None or not endpoint.ready:
            return ""
        return f"{endpoint.endpoint_id} {endpoint.endpoint_status}, connection {endpoint.connection_status}"

    def named(self) -> dict[str, str]:
        """Return the fields by which a request names the cluster, and the endpoint where one was chosen."""
        chosen = self.endpoint.value
        return self._desk.named() | ({"endpoint": chosen} if chosen else {})

    def expect(self, endpoint: model.VpcEndpoint) -> None:
        """Mean this endpoint, which was created or adopted just now: a list may not have it yet."""
        self._new = endpoint

    def enter(self) -> None:
        """Look the endpoints up, and wait for the one that is meant."""
        for action in (self.list, self.wait, self.connect):
            action.refresh()
        self.list.follow()
        self._desk.worker.then(self._look)

    def forget(self) -> None:
        """Take away what was found for another cluster."""
        self._new, self._alive = None, []
        self.endpoint.offer((), none=_NO_ENDPOINT)
        self.password.forget()
        self.query.hide()
        self.delete.forget()
        for action in (self.list, self.wait, self.connect):
            action.outcome.value = ""

    def _look(self) -> None:
        self.list.do()

    def _listed(self, found: model.Endpoints) -> None:
        """Offer the endpoints; of a single one nothing has to be chosen."""
        self._alive = [e for e in found if e.endpoint_status != model.EndpointStatus.DELETING]
        new = self._new
        unlisted = new is not None and all(e.endpoint_id != new.endpoint_id for e in found)
        if new is not None and unlisted:
            self._alive.append(new)
        offers = [
            (one_line(f"{e.endpoint_id} ({e.name or 'no name'}, {e.vpc_id})"), e.endpoint_id)
            for e in self._alive
        ]
        if len(offers) == 1 and not unlisted:
            self.endpoint.offer((), none=(offers[0][0], ""))
        else:
            self.endpoint.offer(offers, none=_SEVERAL if offers else _NO_ENDPOINT)
            if new is not None and any(e.endpoint_id == new.endpoint_id for e in self._alive):
                self.endpoint.value = new.endpoint_id
        if not unlisted:
            self._new = None
        for action in (self.wait, self.connect):
            action.refresh()
        self._show()
        meant = self._desk.picture.endpoint
        if meant is not None and not meant.ready:
            self._desk.worker.then(self._wait)

    def _show(self) -> None:
        """Show the endpoint that is meant: the only one, or the one that was chosen."""
        several = len(self._alive) > 1
        meant = next((e for e in self._alive if not several or e.endpoint_id == self.endpoint.value), None)
        self.wait.outcome.value = folded(meant) if meant is not None else ""
        self._desk.mean(meant, looked_up=not several)
        self.delete.action.refresh()

    def _gone(self) -> None:
        """Look at what is left after a deletion; the connections over the endpoint are closed."""
        self._new = None
        self.query.hide()
        self._desk.worker.then(self._look)

    def _wait(self) -> None:
        self.wait.do()

    def _seen(self, event: model.Event) -> None:
        if isinstance(event, model.EndpointObserved):
            self._see(event.endpoint)

    def _see(self, endpoint: model.VpcEndpoint | None) -> None:
        chosen = self.endpoint.value  # perhaps meanwhile, and another one
        if not chosen or endpoint is None or endpoint.endpoint_id == chosen:
            self._desk.picture.see(endpoint)

    def _ready(self, endpoint: model.VpcEndpoint) -> None:
        self._see(endpoint)
        self.wait.outcome.value += timeline(endpoint.changes)

    def _given(self) -> dict[str, Any]:
        source = self.password.source
        return self._desk.named() | ({"password_from": source} if source else {})

    def _prompt(self, question: str) -> Secret:
        try:
            return self.password.prompt(question)
        finally:
            self.connect.refresh()

    def _connected(self, connection: model.Connection) -> None:
        self.password.forget()
        drawn = self._desk.picture.endpoint
        if drawn is None or drawn.endpoint_id == connection.endpoint_id:
            self._desk.picture.connect(connection.alias)
        self.query.over(connection)


def _unfold(toggle: Any, box: Any, *, shown: bool) -> None:
    toggle.description = _UNFOLDED if shown else _FOLDED
    box.layout.display = "" if shown else "none"
