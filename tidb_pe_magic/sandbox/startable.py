"""The base of the sandbox's parts that are started and stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Startable(ABC):
    """A context manager that starts and stops a part."""

    @abstractmethod
    def start(self) -> Self:
        """Start; return when it is ready."""

    @abstractmethod
    def stop(self) -> None:
        """Stop, and join every thread; may be called twice."""

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()
