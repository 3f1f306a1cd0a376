"""What is known of a statement that was stopped: here for certain, on the server as far as it answered."""

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
        statement: what was asked for.
        sessions: how many of the server's sessions worked at it.
        answered: it was tried to tell the server, with whatever result.
        refusal: why the server could not be told; empty where it was.
        costs_transaction: a session with an open transaction had to be closed.
    """

    statement: str = ""
    sessions: int = 0
    answered: bool = False
    refusal: str = ""
    costs_transaction: bool = False

    def error(self) -> QueryCancelled:
        """Return what is shown."""
        verb = effect_of(self.statement).verb
        message = "the query was stopped here"
        advice = ""
        if self.sessions == 0:
            message += ", before it was sent to the server."
        elif self.answered and not self.refusal:
            message += ", and the server was told to stop it."
        elif self.answered:
            message += f". The server could not be told: {self.refusal}"
            advice = "It may still run there: SHOW PROCESSLIST, then KILL QUERY."
        else:
            message += ". The server has not answered the request to stop it yet."
            advice = "It may still run there: SHOW PROCESSLIST, then KILL QUERY."
        if self.sessions and verb in _DDL:
            advice = "KILL QUERY does not stop a DDL job, which goes on: ADMIN SHOW DDL JOBS"
        if self.costs_transaction:
            message += " Its session was closed, so the server rolls the open transaction back."
        return QueryCancelled(message, advice=advice)
