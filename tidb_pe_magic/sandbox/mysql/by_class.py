"""What depends only on the class of a node: a tree has many nodes of few classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class ByClass(dict[type, _T], Generic[_T]):
    """A value for each class, computed when it is first needed."""

    def __init__(self, compute: Callable[[type], _T]) -> None:
        """Start empty; `compute` returns the value for a class."""
        super().__init__()
        self._compute = compute

    def __missing__(self, kind: type) -> _T:
        """Compute the value and keep it."""
        value = self[kind] = self._compute(kind)
        return value
