"""What the sandbox's parts have in common: they are started, and stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Startable(ABC):
    """A context manager that runs between its beginning and its end."""

    @abstractmethod
    def start(self) -> Self:
        """Begin; returns when it accepts what it is there for."""

    @abstractmethod
    def stop(self) -> None:
        """End, and join every thread; may be called twice."""

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()
