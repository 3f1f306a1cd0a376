"""The step `tables`: list the databases and tables of a connection, or describe a table."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion, over_connection
from tidb_pe_magic.model import TableDetails, Tables
from tidb_pe_magic.steps.aliases import connection_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from tidb_pe_magic.commands.requests import TablesRequest
    from tidb_pe_magic.database.schema.catalog import Ask, Listing
    from tidb_pe_magic.model import EventHook, TableColumn, TableSummary
    from tidb_pe_magic.runtime.context import Context
    from tidb_pe_magic.runtime.open_connections import OpenConnection

_SAMPLE = 5  # rows
_LINE, _LONGEST_TEXT = 88, 60  # characters
_STARS = re.compile(r"[*%]")


@dataclass(frozen=True)
class _Place:
    """Where names are looked up: the connection, what was typed after its @, and its current database."""

    alias: str
    connection: str
    database: str


def tables(context: Context, request: TablesRequest, on_event: EventHook) -> Tables | TableDetails:
    """List databases and tables, or describe the given table.

    Raises:
        StepOrderError: the connection is neither open nor saved.
        InvalidRequest: the database or table does not exist, or several databases have the table.
        QueryError: the server refuses, or the request was stopped.
        ConnectionFailed: the connection was lost.
    """
    from tidb_pe_magic.database.schema import catalog, identifiers  # noqa: PLC0415 - sqlalchemy is slow to import

    record = connection_of(context, request, on_event)
    place = _Place(record.connection.alias, request.connection or "", record.session.database)
    ask = _reader(context, record)
    wanted = request.name or ""
    database, name = identifiers.parts(wanted)
    if wanted and not _STARS.search(wanted) and (database or place.database):
        found = catalog.table(ask, database or place.database, name)
        if found is not None:
            return _details(place, ask, found)
    everything = catalog.listing(ask, system=request.system or database.lower() in catalog.SYSTEM_DATABASES)
    if not wanted:
        listed = _listing(place, everything)
        failure = record.schema.failure
        return replace(listed, notes=(f"Names cannot be completed: {failure}",)) if failure else listed
    return _resolve(place, everything, wanted, ask)


def _reader(context: Context, record: OpenConnection) -> Ask:
    """Return a function that runs a statement over a separate connection, not in the cells' session."""
    from tidb_pe_magic.database.queries.results import ReadOptions, read_table  # noqa: PLC0415 - needs pyarrow
    from tidb_pe_magic.database.queries.statement import BoundStatement  # noqa: PLC0415 - as above

    def ask(sql: str, params: Sequence[object]) -> pa.Table:
        query = BoundStatement(sql=sql, params=tuple(params))
        engine = record.connection.engine
        return read_table(ReadOptions(engine=engine, query=query, cancel=context.cancel))[0]

    return ask


def _listing(place: _Place, found: Listing, shown: str = "") -> Tables:
    return Tables(
        alias=place.alias,
        connection=place.connection,
        database=place.database,
        databases=found.databases,
        items=found.tables,
        shown=shown,
    )


def _resolve(place: _Place, found: Listing, wanted: str, ask: Ask) -> Tables | TableDetails:
    """Resolve a name that is not a table of the current database: a pattern, a database or a table."""
    from tidb_pe_magic.database.schema import identifiers  # noqa: PLC0415 - sqlalchemy is slow to import
    from tidb_pe_magic.database.schema.catalog import Listing  # noqa: PLC0415 - as above

    database, name = identifiers.parts(wanted)
    within = [each for each in found.tables if not database or each.database.lower() == database.lower()]
    if _STARS.search(wanted):
        pattern = _pattern(name)
        kept = tuple(each for each in within if pattern.fullmatch(each.name))
        databases = tuple(dict.fromkeys(each.database for each in kept))
        return _listing(place, Listing(databases, kept), wanted)
    same = [each for each in within if each.name.lower() == name.lower()]
    here = [each for each in same if each.database.lower() == (database or place.database).lower()]
    if len(here or same) == 1:
        return _details(place, ask, (here or same)[0])
    databases = tuple(each for each in found.databases if not database and each.lower() == name.lower())
    if databases:
        inside = tuple(each for each in found.tables if each.database in databases)
        return _listing(place, Listing(databases, inside), databases[0])
    if same:
        listed = ", ".join(identifiers.sql_name(each.database, each.name) for each in same)
        raise errors.InvalidRequest("NAME", f"several databases have a table {name}: {listed}.")
    raise _unknown(place, wanted, found)


def _unknown(place: _Place, wanted: str, found: Listing) -> errors.InvalidRequest:
    from tidb_pe_magic.database.schema import identifiers  # noqa: PLC0415 - sqlalchemy is slow to import

    database, name = identifiers.parts(wanted)
    known = {each.lower(): each for each in found.databases} if not database else {}
    for each in found.tables:
        # If two names are equally close, prefer the one in the current database.
        text = identifiers.sql_name(each.database if each.database != place.database else "", each.name)
        if not database or each.database.lower() == database.lower():
            known.setdefault(each.name.lower(), text)
    close = difflib.get_close_matches(name.lower(), known, n=1)
    if database and database.lower() not in {each.lower() for each in found.databases}:
        close = difflib.get_close_matches(database.lower(), [each.lower() for each in found.databases], n=1)
        known = {each.lower(): each for each in found.databases}
        reason = f'database "{database}" does not exist on this server'
    else:
        reason = f'table or database "{wanted}" does not exist on this server'
    meant = [known[each] for each in close]
    next_command = over_connection(Suggestion("tables", *meant), place.alias, place.connection)
    advice = Advice(f"Did you mean {meant[0]}?" if meant else "", next_command)
    return errors.UnknownName("NAME", f"{reason}.", advice=advice)


def _pattern(text: str) -> re.Pattern[str]:
    """Return the pattern in which `*` and `%` match any characters."""
    return re.compile(".*".join(map(re.escape, _STARS.split(text))), re.IGNORECASE | re.DOTALL)


def _details(place: _Place, ask: Ask, table: TableSummary) -> TableDetails:
    from tidb_pe_magic.database.frames import to_pandas  # noqa: PLC0415 - pandas is slow to import
    from tidb_pe_magic.database.schema import catalog, identifiers  # noqa: PLC0415 - as above

    columns = catalog.columns(ask, table)
    indexes = catalog.indexes(ask, table)
    name = identifiers.sql_name(table.database, table.name)
    short = name if table.database != place.database else identifiers.sql_name(table.name)
    notes: tuple[str, ...] = ()
    rows: pa.Table | None = None
    try:
        rows = ask(f"SELECT * FROM {name} LIMIT {_SAMPLE}", ())  # noqa: S608 - the name is quoted
    except errors.QueryFailed as error:  # such as a missing permission, or a view over a deleted table
        notes = (f"Its rows cannot be read: {error.message}",)
    return TableDetails(
        alias=place.alias,
        table=table,
        columns=columns,
        indexes=indexes,
        select=_select(short, columns),
        sample=None if rows is None else to_pandas(rows),
        rows=() if rows is None else tuple(zip(*map(_texts, rows.columns), strict=True)),
        notes=notes,
    )


def _select(name: str, columns: Iterable[TableColumn]) -> str:
    """Return a query of all columns, wrapped into readable lines."""
    from tidb_pe_magic.database.schema import identifiers  # noqa: PLC0415 - sqlalchemy is slow to import

    words = [identifiers.sql_name(column.name) for column in columns]
    lines = ["SELECT"]
    for number, word in enumerate(words, 1):
        if len(lines[-1]) + len(word) >= _LINE:
            lines.append(" " * len("SELECT"))
        lines[-1] += f" {word}" + ("," if number < len(words) else "")
    return "\n".join((*lines, f"FROM {name}", "LIMIT 100"))


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    """Return the values in SQL's notation, such as 838:59:59 for a TIME, shortened to fit a table."""
    from tidb_pe_magic.database.queries.texts import texts  # noqa: PLC0415 - pyarrow is slow to import

    values = [value for chunk in column.chunks for value in texts(chunk).to_pylist()]
    return [None if value is None else _shortened(value) for value in values]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
