"""Every error that this package raises on purpose.

::

    TidbPeError                      what is wrong, then what to do; the cell fails
    ├─ InvalidRequest(ValueError)    field, reason, what would be valid
    │   ├─ ChoiceRequired            commands: the complete command for each candidate
    │   └─ UnknownName               a name or an ID that does not exist
    ├─ StepOrderError                what is missing, and the command that provides it
    ├─ MissingCredentials            every place that was searched
    ├─ MissingDependency             the command that installs it
    ├─ ApiError                      operation, code, request_id, advice
    │   ├─ AuthenticationFailed
    │   ├─ PermissionDenied
    │   ├─ NotFound
    │   ├─ Conflict
    │   ├─ QuotaExceeded
    │   ├─ Throttled                 retry_after
    │   └─ ServiceUnavailable
    ├─ NotEligible                   the restriction that is not met
    ├─ NotConfirmed                  a billed creation was not confirmed; nothing was created
    ├─ JournalError                  a change could not be recorded, so it was not made
    ├─ PreflightFailed               check: what would fail, found before anything was created
    ├─ WaitError                     the last observation
    │   ├─ WaitTimeout
    │   ├─ WaitCancelled
    │   └─ EndpointFailed
    ├─ FleetFailed                   fleet: some rows of a fleet failed, the others are done
    ├─ ConnectionFailed              stage, advice
    └─ QueryError                    a query without a result
        ├─ QueryFailed               code: the server refused the statement, or ended it
        ├─ QueryCancelled            the stop button
        ├─ LoadFailed                committed, in_doubt, left: a load that ended early
        └─ ResultTooLarge            more memory than a result may use
    UnexpectedError                  a bug: its traceback as text, without the values of variables

Anything that is not a `TidbPeError` is a bug; a notebook and the console show it as an `UnexpectedError`.
"""

from __future__ import annotations

from tidb_pe_magic.errors.base import (
    TidbPeError,
    UnexpectedError,
)
from tidb_pe_magic.errors.clouds import (
    ApiError,
    AuthenticationFailed,
    Conflict,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    ServiceUnavailable,
    Throttled,
)
from tidb_pe_magic.errors.endpoints import (
    EndpointFailed,
    FleetFailed,
    JournalError,
    NotEligible,
    PreflightFailed,
    WaitCancelled,
    WaitError,
    WaitTimeout,
)
from tidb_pe_magic.errors.requests import (
    ChoiceRequired,
    InvalidRequest,
    MissingCredentials,
    MissingDependency,
    NotConfirmed,
    StepOrderError,
    UnknownName,
)
from tidb_pe_magic.errors.sql import (
    ConnectionFailed,
    LoadFailed,
    QueryCancelled,
    QueryError,
    QueryFailed,
    ResultTooLarge,
)

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
    "ServiceUnavailable",
    "StepOrderError",
    "Throttled",
    "TidbPeError",
    "UnexpectedError",
    "UnknownName",
    "WaitCancelled",
    "WaitError",
    "WaitTimeout",
]

for _name in __all__:
    # A traceback and `%tb` name the module that users import the class from.
    globals()[_name].__module__ = __name__
