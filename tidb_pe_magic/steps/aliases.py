"""The connection of a step, by its alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.commands.requests import ConnectRequest
from tidb_pe_magic.steps import saved_connections
from tidb_pe_magic.steps.connect import connect

if TYPE_CHECKING:
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context
    from tidb_pe_magic.runtime.open_connections import OpenConnection


def open_connection(context: Context, alias: str, on_event: EventHook) -> OpenConnection:
    """Return the connection of an alias; reopen it if it is only saved.

    Raises:
        StepOrderError: it is neither open nor saved.
        MissingCredentials: the connection is only saved, and its password was not found.
        ConnectionFailed: it cannot be reopened.
    """
    if context.connections.record(alias) is None and alias in saved_connections.names(context.environ):
        connect(context, ConnectRequest(profile=alias), on_event)
    record = context.connections.record(alias)
    if record is None:
        raise not_open(context, alias, f"connection {alias} does not exist")
    return record


def not_open(context: Context, alias: str, reason: str) -> errors.StepOrderError:
    """Return the error for an alias that is not open, with the open aliases."""
    others = ", ".join(context.connections)
    return errors.StepOrderError(
        reason + (f"; open: {others}." if others else "."),
        advice=Advice(
            "With --save, other processes can open it again.", Suggestion("connect", "--alias", alias)
        ),
    )
