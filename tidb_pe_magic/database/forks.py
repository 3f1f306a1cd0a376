"""Connections in a forked process: it leaves them to its parent and opens new ones."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Engine


class ForkGuard(Protocol):
    """An object that a forked process must not use as its parent does."""

    def leave_to_parent(self) -> None:
        """Start again, in the forked process."""


# Parent and child share sockets: if both read from one, each gets parts of the other's rows.
_inherited: weakref.WeakSet[ForkGuard] = weakref.WeakSet()
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def watch(inherited: ForkGuard) -> None:
    """Make it start again in a forked process."""
    _inherited.add(inherited)


def watch_engine(engine: Engine) -> None:
    """Give the engine a new pool in a forked process."""
    _engines.add(engine)


def _leave_to_parent() -> None:
    for inherited in list(_inherited):
        inherited.leave_to_parent()
    for engine in list(_engines):
        engine.dispose(close=False)


# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
