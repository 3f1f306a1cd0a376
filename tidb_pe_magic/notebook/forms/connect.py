"""Step 3: wait until the endpoint is Connected, connect, and run a first query."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import model
from tidb_pe_magic.commands.requests import ConnectRequest, EndpointsRequest, WaitRequest
from tidb_pe_magic.notebook.forms import fragments, widgets
from tidb_pe_magic.notebook.forms.delete_endpoint import DeleteEndpoint
from tidb_pe_magic.notebook.forms.fields import FieldSet, field_for
from tidb_pe_magic.notebook.forms.folds import fold
from tidb_pe_magic.notebook.forms.operation import Action, OperationPanel
from tidb_pe_magic.notebook.forms.password import PasswordField
from tidb_pe_magic.notebook.forms.pickers import Picker
from tidb_pe_magic.notebook.forms.query import QueryStep
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.notebook.forms.pickers import Offer
    from tidb_pe_magic.notebook.forms.session import FormSession
    from tidb_pe_magic.notebook.forms.state import FormState

_NO_ENDPOINT: Offer = ("— none yet —", "")
_SEVERAL: Offer = ("— not chosen —", "")
_MORE = ("alias", "password_from", "tls_name", "ca", "save_to", "save")
_LABELS = {
    "save": "Save the connection under its alias, without the password",
    "save_to": "File for colleagues",
}


class Connect:
    """The step's controls.

    Attributes:
        title: the step's name.
        box: its controls.
        query: the first query.
        delete: deletes the endpoint.
    """

    title = "Connect"

    def __init__(self, session: FormSession) -> None:
        """Create the step, without an endpoint."""
        self._session, self._store = session, session.store
        self.endpoint = Picker(ConnectRequest, "endpoint")
        self.endpoint.on_change(self._choose_endpoint)
        self.timeout = field_for(WaitRequest, "timeout", description="Wait at most (seconds)")
        self.list = OperationPanel(
            session, "endpoints", FieldSet(EndpointsRequest), then=self._show_endpoints, show=lambda _: ""
        )
        self.wait = Action(
            session,
            "wait",
            "Wait until Connected",
            FieldSet(WaitRequest, [self.endpoint, self.timeout]),
            enabled=lambda state: state.endpoint is not None,
            primary=lambda state: state.endpoint is not None and not state.endpoint.ready,
            then=self._after_wait,
            on_event=self._on_event,
        )
        self.login = {
            name: field_for(ConnectRequest, name, description=_LABELS.get(name, ""))
            for name in ("user", "database", "tls", *_MORE)
        }
        self.login["save_to"].control.placeholder = "such as tidb.json"
        self.password = PasswordField()
        self.connect = Action(
            session,
            "connect",
            "Connect",
            FieldSet(ConnectRequest, [self.endpoint, *self.login.values()]),
            enabled=lambda state: state.endpoint is not None and state.endpoint.ready,
            primary=lambda state: not state.aliases,
            given=self._password_source,
            then=self._after_connect,
            prompt=self._prompt,
        )
        self.query = QueryStep(session)
        self.delete = DeleteEndpoint(session, self._after_delete)
        self.password.on_change(self.connect.draw)
        self._store.observe(lambda _: self._clear(), "cluster")
        self.box = self._laid_out()

    def _laid_out(self) -> Any:
        waiting = widgets.VBox([self.endpoint.box, self.timeout.box]).add_class("tidb-pe-fields")
        login = [self.login["user"].box, self.password.box, self.login["database"].box, self.login["tls"].box]
        more = widgets.VBox([self.login[name].box for name in _MORE]).add_class("tidb-pe-fields")
        return widgets.VBox(
            [
                waiting,
                self.list.outcome,
                self.wait.box,
                widgets.VBox(login).add_class("tidb-pe-fields"),
                fold("More options", "Alias, password source, certificates, saving", more),
                self.connect.box,
                self.query.box,
                self.delete.box,
            ]
        )

    def summary(self, state: FormState) -> str:
        """Return a short description of the endpoint or connection; empty before."""
        return f"connected as {', '.join(state.aliases)}" if state.aliases else ""

    def open(self) -> None:
        """Look up the endpoints, and wait for the form's endpoint."""
        self.list.announce()
        self._session.worker.then(self.reload)

    def reload(self) -> None:
        """Look up the endpoints again, in the worker's thread."""
        self.list.run()

    def _clear(self) -> None:
        """Clear the results for another cluster."""
        self.endpoint.offer((), none=_NO_ENDPOINT)
        self.password.clear()
        for operation in (self.list, self.wait, self.connect):
            operation.clear()

    def _show_endpoints(self, found: model.Endpoints) -> None:
        """List the endpoints; a single endpoint is selected automatically."""
        alive = [e for e in found if e.endpoint_status != model.EndpointStatus.DELETING]
        created = self._store.state.created
        unlisted = created is not None and all(e.endpoint_id != created.endpoint_id for e in found)
        if created is not None and unlisted:
            alive.append(created)
        offers = [
            (one_line(f"{e.endpoint_id} ({e.name or 'no name'}, {e.vpc_id})"), e.endpoint_id) for e in alive
        ]
        if len(offers) == 1 and not unlisted:
            self.endpoint.offer((), none=(offers[0][0], ""))
        else:
            self.endpoint.offer(offers, none=_SEVERAL if offers else _NO_ENDPOINT)
            if created is not None and any(e.endpoint_id == created.endpoint_id for e in alive):
                self.endpoint.value = created.endpoint_id
        self._store.change(
            lambda state: replace(
                self._with_endpoint(state, tuple(alive)), created=state.created if unlisted else None
            )
        )
        self._show_endpoint()
        chosen = self._store.state.endpoint
        if chosen is not None and not chosen.ready:
            self._session.worker.then(self._wait)

    def _choose_endpoint(self) -> None:
        self._store.change(lambda state: self._with_endpoint(state, state.endpoints))
        self._show_endpoint()

    def _with_endpoint(self, state: FormState, alive: tuple[model.VpcEndpoint, ...]) -> FormState:
        """Return the state with the only endpoint, or with the chosen one."""
        several = len(alive) > 1
        chosen = next((e for e in alive if not several or e.endpoint_id == self.endpoint.value), None)
        return replace(state.with_endpoint(chosen, looked_up=not several), endpoints=alive)

    def _show_endpoint(self) -> None:
        endpoint = self._store.state.endpoint
        self.wait.outcome.value = fragments.result(endpoint) if endpoint is not None else ""

    def _after_delete(self) -> None:
        """Look up the remaining endpoints after a deletion, which has closed the endpoint's connections."""
        self._session.worker.then(self.reload)

    def _wait(self) -> None:
        self.wait.run()

    def _on_event(self, event: model.Event) -> None:
        if isinstance(event, model.EndpointObserved):
            self._update_endpoint(event.endpoint)

    def _update_endpoint(self, endpoint: model.VpcEndpoint | None) -> None:
        chosen = self.endpoint.value  # possibly in the meantime, and another one
        if not chosen or endpoint is None or endpoint.endpoint_id == chosen:
            self._store.change(lambda state: state.with_endpoint(endpoint))

    def _after_wait(self, endpoint: model.VpcEndpoint) -> None:
        self._update_endpoint(endpoint)

    def _password_source(self) -> dict[str, Any]:
        source = self.password.source
        return self._session.cluster_field() | ({"password_from": source} if source else {})

    def _prompt(self, question: str) -> Secret:
        try:
            return self.password.prompt(question)
        finally:
            self.connect.draw()

    def _after_connect(self, connection: model.Connection) -> None:
        self.password.clear()
        endpoint = self._store.state.endpoint
        same = endpoint is None or endpoint.endpoint_id == connection.endpoint_id
        aliases = (connection.alias,) if same else self._store.state.aliases
        self._store.update(aliases=aliases)
        self.query.start(connection)
