"""The driver's errors, for what the driver no longer sees."""

from __future__ import annotations

from pymysql.constants import CR
from pymysql.err import DataError, InternalError, OperationalError


def lost(reason: str) -> OperationalError:
    """Say that the connection ended."""
    return OperationalError(CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({reason})")


def malformed(reason: str) -> InternalError:
    """Say that the server's bytes do not follow the protocol."""
    return InternalError(CR.CR_MALFORMED_PACKET, f"Malformed packet: {reason}")


def unfit(column: str, reason: str) -> DataError:
    """Say that a value is not what its column's definition promises."""
    return DataError(CR.CR_UNKNOWN_ERROR, f"column {column!r}: {reason}")
