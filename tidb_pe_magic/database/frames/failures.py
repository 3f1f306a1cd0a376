"""The driver's errors, for code that bypasses the driver."""

from __future__ import annotations

from pymysql.constants import CR
from pymysql.err import DataError, InternalError, OperationalError


def connection_lost(reason: str) -> OperationalError:
    """Return the error for a lost connection."""
    return OperationalError(CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({reason})")


def protocol_error(reason: str) -> InternalError:
    """Return the error for bytes that violate the protocol."""
    return InternalError(CR.CR_MALFORMED_PACKET, f"Malformed packet: {reason}")


def unfit(column: str, reason: str) -> DataError:
    """Return the error for a value that does not match its column's definition."""
    return DataError(CR.CR_UNKNOWN_ERROR, f"column {column!r}: {reason}")
