"""How a shell shows results: by the names of their classes, which need not be imported for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tidb_pe_magic.credentials.redaction import without_values

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic.model import Result

# Each one: IPython prefers a class's own `repr` to a formatter of its base.
RESULTS: Final = {
    "clusters": ("Cluster", "Clusters"),
    "connections": (
        "Connection",
        "ConnectionString",
        "Connections",
        "Disconnection",
        "RunReport",
        "RunbookStatus",
    ),
    "endpoints": (
        "CreatedEndpoint",
        "Deletion",
        "EndpointPlan",
        "Endpoints",
        "VerifiedService",
        "VpcEndpoint",
    ),
    "exports": ("Export",),
    "findings": ("Diagnosis", "Permissions"),
    "fleets": ("Fleet",),
    "help": ("HelpText",),
    "history": ("History",),
    "keys": ("Whoami",),
    "networks": ("Networks",),
    "queries": ("QueryResult",),
    "sql_users": ("SqlUsers",),
}


def add(shell: InteractiveShell) -> None:
    """Register text/plain and text/html of every result."""
    for mime, renderer in _RENDERERS.items():
        for module, names in RESULTS.items():
            for name in names:
                _formatter(shell, mime).for_type_by_name(f"tidb_pe_magic.model.{module}", name, renderer)


def remove(shell: InteractiveShell) -> None:
    """Take them away."""
    for mime in _RENDERERS:
        for module, names in RESULTS.items():
            for name in names:
                _formatter(shell, mime).pop(f"tidb_pe_magic.model.{module}.{name}", None)


@without_values()
def _plain(result: Result, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's signature
    """Write a result as text/plain; inside a container, and in a cycle, as its short `repr`."""
    from tidb_pe_magic.display import render  # noqa: PLC0415 - where there is a result, it is imported already

    printer.text(repr(result) if cycle or printer.stack[1:] else render.text(result))


@without_values()
def _html(result: Result) -> str | None:
    if hasattr(result, "_repr_markdown_"):
        return None  # a notebook would prefer HTML to it
    from tidb_pe_magic.display import render  # noqa: PLC0415 - see above

    return render.html(result)


_RENDERERS: Final = {"text/plain": _plain, "text/html": _html}


def _formatter(shell: InteractiveShell, mime: str) -> Any:
    return shell.display_formatter.formatters[mime]  # type: ignore[union-attr]
