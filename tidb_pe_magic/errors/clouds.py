"""Errors of the two clouds' APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.errors.base import TidbPeError

if TYPE_CHECKING:
    from tidb_pe_magic.advice import Advice


class ApiError(TidbPeError):
    """A cloud's API refused or failed.

    Attributes:
        operation: the API operation, in the cloud's own spelling.
        code: the cloud's error code, or `HTTP <status>` if the answer had none.
        request_id: the ID that the cloud's support asks for; may be empty.
        transient: the same call may succeed in a moment.
        fault: who can fix the cause: request, account, key, service (its owner), cloud, or nobody if it ends
            by itself; empty if unknown.
    """

    transient = False
    fault = ""

    def __init__(
        self, message: str, *, operation: str, code: str = "", request_id: str = "", advice: str | Advice = ""
    ) -> None:
        """Put operation, code and request ID into the one line."""
        detail = f"{operation} failed"
        if code:
            detail += f" ({code})"
        detail += f": {message}"
        if request_id:
            detail += f" [request id {request_id}]"
        super().__init__(detail, advice=advice)
        self.operation = operation
        self.code = code
        self.request_id = request_id


class AuthenticationFailed(ApiError):
    """The key is unknown, disabled or wrong, or this machine's clock is wrong."""

    topic = "keys"


class PermissionDenied(ApiError):
    """The key is valid, but has no permission for this."""

    topic = "permissions"


class NotFound(ApiError):
    """The resource does not exist, or is not visible to this account."""


class Conflict(ApiError):
    """The resource's current state does not allow the operation."""


class QuotaExceeded(ApiError):
    """A limit on the number of resources is reached."""

    topic = "troubleshooting"


class Throttled(ApiError):
    """Too many requests.

    Attributes:
        retry_after: seconds to wait, if the cloud sent them.
    """

    topic = "troubleshooting"

    transient = True

    def __init__(  # noqa: PLR0913 - one more than every ApiError has
        self,
        message: str,
        *,
        operation: str,
        code: str = "",
        request_id: str = "",
        advice: str | Advice = "",
        retry_after: float | None = None,
    ) -> None:
        """Keep the cloud's retry delay."""
        super().__init__(message, operation=operation, code=code, request_id=request_id, advice=advice)
        self.retry_after = retry_after


class ServiceUnavailable(ApiError):
    """The API did not answer, or answered with an internal error."""

    topic = "troubleshooting"

    transient = True
