"""From a TiDB Cloud cluster on Alibaba Cloud to a pandas DataFrame, over a private endpoint, in a notebook.

In a notebook or an IPython terminal::

    %load_ext tidb_pe_magic
    %tidb_pe -h

In plain Python: `Runbook`. Importing this package imports nothing heavy; each command imports what it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.errors import (
    ApiError,
    AuthenticationFailed,
    ChoiceRequired,
    Conflict,
    ConnectionFailed,
    EndpointFailed,
    FleetFailed,
    InvalidRequest,
    JournalError,
    LoadFailed,
    MissingCredentials,
    MissingDependency,
    NotConfirmed,
    NotEligible,
    NotFound,
    PermissionDenied,
    PreflightFailed,
    QueryCancelled,
    QueryError,
    QueryFailed,
    QuotaExceeded,
    ResultTooLarge,
    ServiceUnavailable,
    StepOrderError,
    Throttled,
    TidbPeError,
    UnknownName,
    WaitCancelled,
    WaitError,
    WaitTimeout,
)

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic.notebook.forms import Form
    from tidb_pe_magic.runbook import Runbook

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AuthenticationFailed",
    "ChoiceRequired",
    "Conflict",
    "ConnectionFailed",
    "EndpointFailed",
    "FleetFailed",
    "InvalidRequest",
    "JournalError",
    "LoadFailed",
    "MissingCredentials",
    "MissingDependency",
    "NotConfirmed",
    "NotEligible",
    "NotFound",
    "PermissionDenied",
    "PreflightFailed",
    "QueryCancelled",
    "QueryError",
    "QueryFailed",
    "QuotaExceeded",
    "ResultTooLarge",
    "Runbook",
    "ServiceUnavailable",
    "StepOrderError",
    "Throttled",
    "TidbPeError",
    "UnknownName",
    "WaitCancelled",
    "WaitError",
    "WaitTimeout",
    "__version__",
    "form",
    "load_ipython_extension",
    "unload_ipython_extension",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import `Runbook` on first use, because `%load_ext` also imports this module."""
        if name == "Runbook":
            from tidb_pe_magic.runbook import Runbook  # noqa: PLC0415 - see above

            return Runbook
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)


def form(runbook: Runbook, step: str = "", *, cluster: str = "") -> Form:
    """Return the runbook as a form of widgets, which a notebook shows as a cell's last value.

    The form calls the clouds in its own thread. Each click does the same as a method of the runbook.

    Args:
        runbook: carries out the steps.
        step: cluster, create or connect, to show only this step; default: all three.
        cluster: name or ID of the cluster to start with; default: the last one that was used, or the only
            one that has an endpoint.

    Raises:
        InvalidRequest: the step is unknown.
    """
    from tidb_pe_magic.notebook.form_command import make  # noqa: PLC0415 - ipywidgets is slow to import

    return make(runbook, step, cluster)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add `%tidb_pe` to the shell; `%load_ext tidb_pe_magic` calls this."""
    from tidb_pe_magic.notebook.extension import load  # noqa: PLC0415 - only where there is a shell

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Remove `%tidb_pe` and close its connections; `%unload_ext tidb_pe_magic` calls this."""
    from tidb_pe_magic.notebook.extension import unload  # noqa: PLC0415 - only where there is a shell

    unload(shell)
