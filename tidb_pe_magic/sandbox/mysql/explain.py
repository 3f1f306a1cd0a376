"""DuckDB's plans in the format of TiDB's EXPLAIN and EXPLAIN ANALYZE.

TiDB's documentation ("TiDB Query Execution Plan Overview", "EXPLAIN ANALYZE") has the columns, the operators'
names and the tree. Rows and times are DuckDB's. DuckDB's times are for one operator only; TiDB's include all
operators below.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, SqlError
from tidb_pe_magic.sandbox.mysql.show import rows_query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb
    from sqlglot import exp

_HEADER: Final = ("id", "estRows", "task", "access object", "operator info")
_ANALYZED: Final = (
    *("id", "estRows", "actRows", "task", "access object"),
    *("execution info", "operator info", "memory", "disk"),
)
_FORMATS: Final = frozenset({"", "row", "traditional", "brief"})
#: DuckDB's operators, by their name or its last part.
_NAMES: Final[Mapping[str, str]] = {
    "FILTER": "Selection",
    "PROJECTION": "Projection",
    "UNGROUPED_AGGREGATE": "StreamAgg",
    "GROUP_BY": "HashAgg",
    "DISTINCT": "HashAgg",
    "ORDER_BY": "Sort",
    "TOP_N": "TopN",
    "LIMIT": "Limit",
    "WINDOW": "Window",
    "UNION": "Union",
    "DUMMY_SCAN": "TableDual",
    "COLUMN_DATA_SCAN": "TableDual",
    "EMPTY_RESULT": "TableDual",
    "CTE_SCAN": "CTEFullScan",
    "JOIN": "HashJoin",
    "CROSS_PRODUCT": "HashJoin",
    "INSERT": "Insert",
    "UPDATE": "Update",
    "DELETE": "Delete",
}
_SCANS: Final = frozenset({"SEQ_SCAN", "TABLE_SCAN", "INDEX_SCAN"})
_WRAPPERS: Final = frozenset({"RESULT_COLLECTOR", "EXPLAIN_ANALYZE", "QUERY"})
_WRITERS: Final = frozenset({"Insert", "Update", "Delete"})
_INFO: Final = (
    ("Join Type", "{}"),
    ("Conditions", "equal:[{}]"),
    ("Groups", "group by:{}"),
    ("Aggregates", "funcs:{}"),
    ("Order By", "{}"),
    ("Filters", "{}"),
    ("Expression", "{}"),
    ("Projections", "{}"),
)
_COP, _ROOT = "cop[tikv]", "root"


@dataclass
class _Operator:
    """One line of TiDB's plan."""

    name: str
    rows: float
    task: str = _ROOT
    table: str = ""
    info: str = ""
    actual: int = 0
    seconds: float = 0.0
    bytes: int = 0
    role: str = ""
    children: tuple[_Operator, ...] = ()

    @property
    def total(self) -> float:
        """The seconds of it and of all operators below."""
        return self.seconds + sum(child.total for child in self.children)


def plan(cursor: duckdb.DuckDBPyConnection, sql: str, described: exp.Describe) -> str:
    """Return the query for EXPLAIN's rows; with ANALYZE the statement is executed.

    Args:
        cursor: the session's cursor.
        sql: the statement in DuckDB's SQL.
        described: the EXPLAIN statement.

    Raises:
        SqlError: the format is not supported.
    """
    form = described.args.get("format")
    name = form.name.lower() if form is not None else ""
    if name not in _FORMATS:
        raise SqlError(NOT_SUPPORTED, f"EXPLAIN FORMAT='{name}' is not supported by the sandbox")
    analyzed = is_analyzed(described)
    options = "ANALYZE, FORMAT JSON" if analyzed else "FORMAT JSON"
    written = json.loads(cursor.execute(f"EXPLAIN ({options}) {sql}").fetchall()[0][1])
    root = written["operator"][0] if analyzed else written[0]
    rows = list(_lines(_operator(root, _sizes(cursor)), numbered=name != "brief", analyzed=analyzed))
    return rows_query(_ANALYZED if analyzed else _HEADER, rows)


def is_analyzed(described: exp.Describe) -> bool:
    """Return whether the statement is also executed."""
    return str(described.args.get("style") or "").upper() == "ANALYZE"


def _sizes(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = cursor.execute("SELECT schema_name || '.' || table_name, estimated_size FROM duckdb_tables()")
    return {name: int(size or 0) for name, size in found.fetchall()}


def _operator(node: Mapping[str, Any], sizes: Mapping[str, int]) -> _Operator:
    kind = str(node.get("name") or node.get("type") or "").strip().upper()
    children = node.get("children") or []
    if len(children) == 1 and (kind in _WRAPPERS or _is_internal(kind, node)):
        return _operator(children[0], sizes)
    info: Mapping[str, Any] = node.get("extra_info") or {}
    rows = float(str(info.get("Estimated Cardinality") or 0).lstrip("~"))
    measured: dict[str, Any] = {
        "actual": int(node.get("intermediate_rows") or 0),
        "seconds": float(node.get("timing") or 0),
        "bytes": int(node.get("intermediate_size_bytes") or 0),
    }
    if kind in _SCANS:
        return _scan(info, rows, measured, sizes)
    known = (name for ending, name in _NAMES.items() if kind == ending or kind.endswith(f"_{ending}"))
    name = next(known, kind.title().replace("_", ""))
    below = tuple(_operator(child, sizes) for child in children)
    if name == "HashJoin" and len(below) == 2:  # noqa: PLR2004 - DuckDB builds with the right side
        below[0].role, below[1].role = "(Probe)", "(Build)"
        below = below[::-1]
    told = ", ".join(form.format(_text(info[key])) for key, form in _INFO if info.get(key))
    if kind == "CROSS_PRODUCT":
        told = "CARTESIAN inner join"
    elif name == "TableDual":
        told = f"rows:{rows:.0f}"
    return _Operator(name, rows, info=told.replace("INNER", "inner join"), children=below, **measured)


def _is_internal(kind: str, node: Mapping[str, Any]) -> bool:
    """Return whether a projection only moves DuckDB's own numbered columns."""
    return kind == "PROJECTION" and "#" in _text((node.get("extra_info") or {}).get("Projections", ""))


def _scan(
    info: Mapping[str, Any],
    rows: float,
    measured: dict[str, Any],
    sizes: Mapping[str, int],
) -> _Operator:
    """Return TiDB's operators for a table scan: a reader above the storage's operators."""
    schema_and_table = str(info.get("Table", "")).split(".", 1)[-1]
    size = sizes.get(schema_and_table, 0)
    table = f"table:{schema_and_table.rpartition('.')[2]}"
    filters = _text(info.get("Filters", ""))
    scanned = size if filters else measured["actual"]
    below = _Operator("TableFullScan", float(size or rows), _COP, table, "keep order:false", scanned)
    if filters:
        below = _Operator("Selection", rows, _COP, info=filters, actual=measured["actual"], children=(below,))
    return _Operator("TableReader", rows, info=f"data:{below.name}", children=(below,), **measured)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _lines(root: _Operator, *, numbered: bool, analyzed: bool) -> Iterator[tuple[str, ...]]:
    """Yield the rows; the id contains the tree, with two characters for each level."""
    number = 0

    def walk(operator: _Operator, lead: str, below: str) -> Iterator[tuple[str, ...]]:
        nonlocal number
        number += 1
        name = f"{lead}{operator.name}{f'_{number}' if numbered else ''}{operator.role}"
        rows = "N/A" if operator.name in _WRITERS else f"{operator.rows:.2f}"
        if analyzed:
            time = f"time:{_duration(operator.total)}, loops:{1 + operator.actual // 1024}"
            memory = f"{operator.bytes / 1024:.2f} KB" if operator.task == _ROOT else "N/A"
            disk = "0 Bytes" if operator.task == _ROOT else "N/A"
            yield (
                *(name, rows, str(operator.actual), operator.task, operator.table),
                *(time, operator.info, memory, disk),
            )
        else:
            yield name, rows, operator.task, operator.table, operator.info
        for place, child in enumerate(operator.children, 1):
            last = place == len(operator.children)
            yield from walk(child, below + ("└─" if last else "├─"), below + ("  " if last else "│ "))

    yield from walk(root, "", "")


def _duration(seconds: float) -> str:
    """Return a time in Go's format, as TiDB does."""
    if seconds < 1e-3:  # noqa: PLR2004 - a millisecond
        return f"{seconds * 1e6:.1f}µs"
    return f"{seconds * 1e3:.2f}ms" if seconds < 1 else f"{seconds:.2f}s"
