"""Views of SQL users."""

from __future__ import annotations

from tidb_pe_magic import model
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.display.view import Code, Mark, Table, View
from tidb_pe_magic.display.views.base import view_of

_TITLES = {
    "create": "SQL user created:",
    "delete": "SQL user deleted:",
    "rotate": "New password for SQL user",
}


@view_of.register(model.SqlUsers)
def _sql_users(users: model.SqlUsers) -> View:
    if users.action not in _TITLES or len(users.items) != 1:
        rows = tuple((Code(user.name), user.role) for user in users.items)
        return View(
            title=f"{len(rows)} SQL user{'' if len(rows) == 1 else 's'} of cluster {users.cluster}",
            tables=(Table(caption="", header=("Name", "Role"), rows=rows),),
            next_command=Suggestion("sql-user", "create", "analyst", "--role", "readonly"),
        )
    (user,) = users.items
    notes = []
    if users.prefix_added:
        notes.append(
            Mark(
                "info",
                f"The cluster's prefix {users.prefix_added} was added (use --no-prefix to avoid this).",
            )
        )
    facts = [("Role", user.role)]
    if users.stored:
        facts.append(("Password stored in", users.stored))
    return View(
        title=_TITLES[users.action],
        kind="ok",
        ident=user.name,
        facts=tuple(facts),
        notes=tuple(notes),
        next_command=users.next_command,
    )
