"""The base of all results."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Result:
    """Base class of the results of steps.

    Attributes:
        via: API hosts that an environment variable sets instead of the clouds' own; empty for the real
            clouds.
        emulated: Alibaba Cloud's API is replaced by one on this machine, so nothing is billed.
        verbose: the text includes the details.
    """

    via: tuple[str, ...] = field(default=(), repr=False, compare=False)
    emulated: bool = field(default=False, repr=False, compare=False, metadata={"plain": False})
    verbose: bool = field(default=False, repr=False, compare=False, metadata={"plain": False})

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        """Return the result as a notebook shows it, with or without the extension."""
        # Imported by name: the display is a layer above the model, and only a shell that shows results needs
        # it.
        render: Any = import_module("tidb_pe_magic.display.render")
        bundle: dict[str, str] = render.mime_bundle(self)
        return bundle


@dataclass(frozen=True, kw_only=True)
class Restriction:
    """Why a cluster or a network cannot be used: the restriction's name, and the reason."""

    name: str
    reason: str
