"""A session's time zone: the times of its clock, and TIMESTAMP columns, which store UTC.

A TIMESTAMP column is read and written in the session's zone. A view with expressions is refused in a zone
other than UTC. A DATETIME has no zone and never changes.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlglot import exp, parse_one

from tidb_pe_magic.sandbox.mysql.create_table import sql_name, sql_string
from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, UNKNOWN_TIME_ZONE, SqlError
from tidb_pe_magic.sandbox.mysql.unknown_names import is_cte

if TYPE_CHECKING:
    from datetime import tzinfo

    from tidb_pe_magic.sandbox.mysql.lineage import Columns

_SYSTEM: Final = "SYSTEM"
_UTC: Final = "UTC"
_WITH_OFFSET: Final = r":\d\d(\.\d+)?[+-]\d\d:\d\d$"
_OFFSET: Final = re.compile(r"([+-])(\d{1,2}):([0-5]\d)")
#: TiDB accepts offsets between these (TiDB documentation, "Time Zone Support").
_LEAST: Final = timedelta(hours=-12, minutes=-59)
_MOST: Final = timedelta(hours=14)


def time_zone(value: object) -> str:
    """Return a valid value of the variable time_zone.

    Raises:
        SqlError: no such zone is known.
    """
    name = str(value)
    if name.upper() == _SYSTEM:
        return _SYSTEM
    zone_of(name)
    return name


def zone_of(name: str) -> tzinfo:
    """Return a zone; the system's own is UTC.

    Raises:
        SqlError: it is unknown.
    """
    if name == _SYSTEM:
        return UTC
    unknown = SqlError(UNKNOWN_TIME_ZONE, f"Unknown or incorrect time zone: '{name}'")
    if offset := _OFFSET.fullmatch(name):
        distance = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        distance = -distance if offset[1] == "-" else distance
        if not _LEAST <= distance <= _MOST:
            raise unknown
        return timezone(distance)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise unknown from None


def duckdb_zone(name: str) -> str:
    """Return DuckDB's name of a zone."""
    if name == _SYSTEM or name.upper() == _UTC:
        return _UTC
    if offset := _OFFSET.fullmatch(name):
        hours, minutes = int(offset[2]), offset[3]
        return f"GMT{offset[1]}{hours:02}:{minutes}" if hours or minutes != "00" else _UTC
    return name


def unsupported(what: str, zone: str) -> SqlError:
    """Return the error for what the sandbox cannot do in a zone other than UTC: `X is not supported`."""
    return SqlError(NOT_SUPPORTED, f"{what} by the sandbox in time zone {zone}; SET time_zone = '+00:00'")


def epoch_in_zone(node: exp.Expr, zone: str) -> exp.Expr | None:
    """Return UNIX_TIMESTAMP or FROM_UNIXTIME for times in a zone; None for other nodes, and for UTC."""
    if zone == _UTC:
        return None
    if isinstance(node, exp.UnixToTime):
        moment = _in_zone(zone, exp.Anonymous(this="to_timestamp", expressions=[node.this.copy()]))
        written = node.args.get("format")
        return moment if written is None else exp.TimeToStr(this=moment, format=written.copy())
    if isinstance(node, exp.Anonymous) and node.name.upper() == "UNIX_TIMESTAMP" and node.expressions:
        moment = utc_of(node.expressions[0].copy(), zone)
        return exp.Anonymous(this="mysql_unix_timestamp", expressions=[moment])
    return None


def utc_of(moment: exp.Expr, zone: str) -> exp.Expr:
    """Return a local time of a zone in UTC; a text with its own offset is already that time in DuckDB."""
    local = exp.cast(moment, "timestamp")
    if isinstance(moment, exp.Literal) and re.search(_WITH_OFFSET, moment.name):
        return local
    return _in_zone(_UTC, _in_zone(zone, local))


def local_of(moment: exp.Expr, zone: str) -> exp.Expr:
    """Return a time in UTC as a local time of a zone."""
    return _in_zone(zone, _in_zone(_UTC, moment))


def utc_of_text(moment: str, zone: str) -> str:
    """Return a local time of a zone, an expression in DuckDB's SQL, in UTC."""
    text, local = f"CAST({moment} AS VARCHAR)", f"CAST({moment} AS TIMESTAMP)"
    return (
        f"CASE WHEN regexp_matches({text}, {sql_string(_WITH_OFFSET)}) THEN {local} "
        f"ELSE timezone('{_UTC}', timezone({sql_string(zone)}, {local})) END"
    )


def _in_zone(zone: str, moment: exp.Expr) -> exp.Expr:
    """Return an instant as a local time, or the instant of a local time."""
    return exp.Anonymous(this="timezone", expressions=[exp.Literal.string(zone), moment])


def read_in_zone(node: exp.Table, zone: str, columns: Columns) -> exp.Expr:
    """Return a table whose TIMESTAMP columns are in a zone; the table itself if it has none.

    Args:
        node: of MySQL's statement.
        zone: DuckDB's name of it.
        columns: looks up the table's columns.

    Raises:
        SqlError: the statement defines such columns, or reads a view with expressions.
    """
    if not node.db and is_cte(node):
        return node
    known = columns(node.db, node.name)
    stamps = [name for name, source in known if source is not None and source.kind.startswith("timestamp")]
    if any(source is None for _, source in known):
        refused = f"The view {node.name} is not supported"
    elif not stamps or _is_named_only(node) or _is_changed(node):
        return node
    elif not isinstance(node.parent, exp.From | exp.Join) or _defines_view(node):
        refused = f"Defining TIMESTAMP columns such as {stamps[0]} is not supported"
    else:
        return _shifted(node, stamps, zone)
    raise unsupported(refused, zone)


def refuse_defaults(tree: exp.Expr, zone: str) -> None:
    """Refuse a text as the default of a TIMESTAMP column, which would be a time in the session's zone.

    Raises:
        SqlError: a definition has one, and the zone is not UTC.
    """
    for column in tree.find_all(exp.ColumnDef) if zone != _UTC else ():
        default = column.find(exp.DefaultColumnConstraint)
        stamp = column.kind is not None and column.kind.this is exp.DataType.Type.TIMESTAMPTZ
        if stamp and default is not None and isinstance(default.this, exp.Literal):
            raise unsupported(f"The default of {column.name} is not supported", zone)


def _is_named_only(node: exp.Expr) -> bool:
    """Return whether it is the table of a definition, or of an INSERT, whose values are already in UTC."""
    parent = node.parent.parent if isinstance(node.parent, exp.Schema) else node.parent
    return isinstance(parent, exp.Insert | exp.Drop | exp.Alter | exp.TruncateTable)


def _is_changed(node: exp.Expr) -> bool:
    """Return whether it is the table of an UPDATE or DELETE, whose expressions are already in UTC."""
    select = node.find_ancestor(exp.Select)
    of_row_ids = select is not None and [each.name for each in select.expressions] == ["rowid"]
    return of_row_ids or isinstance(node.parent, exp.Update | exp.Delete)


def _defines_view(node: exp.Expr) -> bool:
    create = node.find_ancestor(exp.Create)
    return create is not None and create.text("kind").upper() == "VIEW"


def _shifted(node: exp.Table, stamps: list[str], zone: str) -> exp.Expr:
    shifts = ", ".join(
        f"timezone({sql_string(zone)}, timezone('UTC', {sql_name(name)})) AS {sql_name(name)}"
        for name in stamps
    )
    table = exp.table_(node.this.copy(), db=node.args.get("db")).sql("duckdb")
    query = parse_one(f"SELECT * REPLACE ({shifts}) FROM {table}", read="duckdb")  # noqa: S608 - quoted
    return exp.Subquery(
        this=query,
        alias=exp.TableAlias(this=exp.to_identifier(node.alias_or_name)),
        joins=node.args.get("joins"),
    )
