"""Views of databases, tables and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.advice import Suggestion, over_connection
from tidb_pe_magic.display.view import Code, Mark, Table, View
from tidb_pe_magic.display.views.base import view_of, yes_or_no

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic.display.view import Cell

# Limits the tables shown of a database: a page of ten thousand rows is slow and not readable.
_MOST = 100
# Columns of rows that are shown side by side.
_SIDE_BY_SIDE = 8
_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000.0
_NULL = "NULL"


@view_of.register(model.Tables)
def _tables(found: model.Tables) -> View:
    names = dict.fromkeys((*found.databases, *(table.database for table in found.items)))
    grouped = {name: [table for table in found.items if table.database == name] for name in names}
    empty = [name for name, tables in grouped.items() if not tables]
    listed = tuple(
        _table_list(name, tables, current=name.lower() == found.database.lower())
        for name, tables in grouped.items()
        if tables
    )
    notes = [Mark("info", f"No tables in {', '.join(empty)}")] if empty else []
    if any(len(tables) > _MOST for tables in grouped.values()):
        notes.append(
            Mark(
                "info",
                f"Only the first {_MOST} tables of a database are shown. Use a pattern to find others.",
                over_connection(Suggestion("tables", "order*"), found.alias, found.connection),
            )
        )
    notes += [Mark("warn", note) for note in found.notes]
    count, where = _count(len(found.items), "table"), f"in {_count(len(names), 'database')}"
    if found.shown:
        where = f"in {found.shown}" if found.databases == (found.shown,) else f"like {found.shown}"
    first = found.items[0] if found.items else None
    return View(
        title=f"{count} {where} (connection {found.alias})",
        tables=listed,
        notes=tuple(notes),
        next_command=None
        if first is None
        else over_connection(Suggestion("tables", _typed_name(found, first)), found.alias, found.connection),
    )


def _typed_name(found: model.Tables, table: model.TableSummary) -> str:
    return table.name if table.database == found.database else f"{table.database}.{table.name}"


def _table_list(name: str, tables: Sequence[model.TableSummary], *, current: bool) -> Table:
    here = " (current database)" if current else ""
    return Table(
        caption=f"{name}{here}: {_count(len(tables), 'table')}",
        header=("Table", "Rows, about", "Size, about", "Comment"),
        rows=tuple(
            (Code(table.name), _rows(table), _size(table.bytes), table.comment) for table in tables[:_MOST]
        ),
    )


@view_of.register(model.TableDetails)
def _details(found: model.TableDetails) -> View:
    table = found.table
    is_view = table.rows is None
    facts: list[tuple[str, Cell]] = []
    if table.rows is not None and table.rows < len(found.rows):
        # The server counts rows a while after they were written.
        facts.append(("Rows", "not counted by the server yet"))
    elif not is_view:
        facts += [("Rows, about", _rows(table)), ("Size, about", _size(table.bytes))]
    if table.comment:
        facts.append(("Comment", table.comment))
    return View(
        title="View" if is_view else "Table",
        kind="ok",
        ident=f"{table.database}.{table.name}",
        facts=tuple(facts),
        tables=tuple(_parts(found)),
        block=tuple(found.select.splitlines()),
        notes=tuple(Mark("warn", note) for note in found.notes),
    )


def _parts(found: model.TableDetails) -> Iterator[Table]:
    yield Table(
        caption=_count(len(found.columns), "column"),
        header=("Column", "Type", "NULL", "Key", "Default", "Comment"),
        rows=tuple(
            (
                Code(column.name),
                column.type,
                yes_or_no(column.nullable),
                column.key,
                f"{column.default or ''} {column.extra}".strip(),
                column.comment,
            )
            for column in found.columns
        ),
    )
    if found.indexes:
        yield Table(
            caption=_count(len(found.indexes), "index", "indexes"),
            header=("Index", "Columns", "Unique"),
            rows=tuple(
                (Code(index.name), Code(*index.columns), yes_or_no(index.unique)) for index in found.indexes
            ),
        )
    if found.rows:
        yield _sample(found)


def _sample(found: model.TableDetails) -> Table:
    """Return the first rows: side by side if they fit, otherwise each column in its own row."""
    names = tuple(column.name for column in found.columns)
    rows = tuple(tuple(_NULL if value is None else value for value in row) for row in found.rows)
    caption = f"First {_count(len(rows), 'row')}"
    if len(names) <= _SIDE_BY_SIDE:
        return Table(caption=caption, header=names, rows=rows)
    header = ("Column", *(f"Row {number}" for number in range(1, len(rows) + 1)))
    return Table(
        caption=caption,
        header=header,
        rows=tuple((Code(name), *values) for name, *values in zip(names, *rows, strict=True)),
    )


def _rows(table: model.TableSummary) -> str:
    if table.rows is None:
        return "view"
    return f"{table.rows:,}"


def _size(count: int | None) -> str:
    if count is None:
        return ""
    size, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if size < _THOUSAND or unit == _UNITS[-1]:
            break
        size /= _THOUSAND
    return f"{size:,.0f} {unit}" if unit in _UNITS[:2] else f"{size:,.1f} {unit}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
