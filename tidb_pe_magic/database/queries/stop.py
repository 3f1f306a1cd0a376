"""What is known about a stopped statement: stopped here, and on the server if it answered."""

from __future__ import annotations

from dataclasses import dataclass

from tidb_pe_magic.database.effects import effect_of
from tidb_pe_magic.errors import QueryCancelled

# KILL QUERY ends the wait for a DDL job, not the job.
_DDL = frozenset({"CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME", "RECOVER", "FLASHBACK"})


@dataclass(kw_only=True)
class Stop:
    """The stop of one query.

    Attributes:
        statement: the user's statement.
        sessions: number of server sessions that ran it.
        killed: number of them whose statement the server was asked to end.
        answered: the request to the server has finished, successfully or not.
        refusal: why the request failed; empty if it succeeded.
        costs_transaction: a session with an open transaction had to be closed.
    """

    statement: str = ""
    sessions: int = 0
    killed: int = 0
    answered: bool = False
    refusal: str = ""
    costs_transaction: bool = False

    def error(self) -> QueryCancelled:
        """Return the message and advice to show."""
        verb = effect_of(self.statement).verb
        message = "the query was stopped here"
        advice = ""
        if self.sessions == 0:
            message += ", before it was sent to the server."
        elif self.answered and not self.refusal:
            message += ", and the server was asked to stop it." if self.killed else "."
        elif self.answered:
            message += f". The server could not be asked to stop it: {self.refusal}"
            advice = "It may still run there: SHOW PROCESSLIST, then KILL QUERY."
        else:
            message += ". The server has not answered the request to stop it yet."
            advice = "It may still run there: SHOW PROCESSLIST, then KILL QUERY."
        if self.sessions and verb in _DDL:
            advice = "KILL QUERY does not stop a DDL job, which continues: ADMIN SHOW DDL JOBS"
        if self.costs_transaction:
            message += " Its session was closed, so the server rolls the open transaction back."
        return QueryCancelled(message, advice=advice)
