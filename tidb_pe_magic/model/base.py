"""What every result has."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Result:
    """Base of what the steps return.

    Attributes:
        via: API hosts that replace the clouds' own by an environment variable; empty against the real clouds.
        emulated: Alibaba Cloud's API is replaced by one on this machine: nothing is billed.
        verbose: the text is shown with its details.
    """

    via: tuple[str, ...] = field(default=(), repr=False, compare=False)
    emulated: bool = field(default=False, repr=False, compare=False, metadata={"plain": False})
    verbose: bool = field(default=False, repr=False, compare=False, metadata={"plain": False})

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        """Return what a notebook shows of the result, with or without the extension."""
        # By its name: the display stands above the model, and only a shell that shows something needs it.
        render: Any = import_module("tidb_pe_magic.display.render")
        bundle: dict[str, str] = render.mime_bundle(self)
        return bundle


@dataclass(frozen=True, kw_only=True)
class Restriction:
    """Why a cluster or a network cannot be used: the restriction's name, and the reason."""

    name: str
    reason: str
