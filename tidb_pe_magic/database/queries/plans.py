"""Parses EXPLAIN into operators: TiDB's columns, and those of other servers unchanged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidb_pe_magic.database.effects import effect_of
from tidb_pe_magic.database.queries.placeholders import outer_words
from tidb_pe_magic.database.queries.texts import texts
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.model import PlanOperator, QueryPlan

if TYPE_CHECKING:
    import pyarrow as pa

_TREE = re.compile(r"[\s│├└─]*")
_LEVEL = 2  # characters of the tree
_READS = frozenset({"SELECT", "TABLE", "VALUES"})
_VERBS = _READS | {"INSERT", "REPLACE", "UPDATE", "DELETE"}
# `time:1.2ms, loops:2` is the server's work; `tikv_task:{time:…}` or `{proc max:…}` is the storage's.
_TIME = re.compile(r"\b(?:time|proc max):\s*((?:[\d.]+(?:h|ms|m|s|µs|us|ns))+)")
_PART = re.compile(r"([\d.]+)(h|ms|m|s|µs|us|ns)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}


def explain_statement(sql: str, *, analyze: bool) -> str:
    """Return the EXPLAIN of a statement.

    Args:
        sql: the statement.
        analyze: run it and measure.

    Raises:
        InvalidRequest: it is already an EXPLAIN, or would change data.
    """
    verb = effect_of(sql).verb
    if verb in {"EXPLAIN", "DESC", "DESCRIBE"}:
        raise InvalidRequest("--explain", f"the statement already is {verb}.", advice="Omit --explain.")
    if verb == "WITH":
        verb = next((word for word in outer_words(sql) if word in _VERBS), verb)
    if analyze and verb not in _READS:
        raise InvalidRequest(
            "--explain-analyze",
            f"runs the statement, and {verb or 'it'} changes data.",
            advice="Use --explain, or write EXPLAIN ANALYZE in a %%sql cell.",
        )
    return f"EXPLAIN {'ANALYZE ' if analyze else ''}{sql}"


def parse_plan(statement: str, table: pa.Table) -> QueryPlan:
    """Return the parsed answer of EXPLAIN.

    Args:
        statement: shortened for display.
        table: the rows.
    """
    names = tuple(table.column_names)
    columns = (
        (cell for chunk in column.chunks for cell in texts(chunk).to_pylist()) for column in table.columns
    )
    rows = tuple(zip(*columns, strict=True))
    if not set(names) >= {"id", "estRows", "task", "operator info"}:
        return QueryPlan(statement=statement, columns=names, rows=rows)
    described = ({name: cell or "" for name, cell in zip(names, row, strict=True)} for row in rows)
    return QueryPlan(
        statement=statement, operators=tuple(map(_operator, described)), analyzed="actRows" in names
    )


def _operator(row: dict[str, str]) -> PlanOperator:
    found = _TREE.match(row["id"])
    tree = found[0] if found else ""
    return PlanOperator(
        name=row["id"][len(tree) :],
        tree=tree,
        depth=len(tree) // _LEVEL,
        estimated_rows=_number(row["estRows"]),
        rows=_whole(row.get("actRows", "")),
        seconds=_seconds(row.get("execution info", "")),
        task=row["task"],
        access_object=row.get("access object", ""),
        info=row["operator info"],
        execution=row.get("execution info", ""),
        memory=row.get("memory", ""),
        disk=row.get("disk", ""),
    )


def _number(text: str) -> float | None:
    """Return a number; TiDB writes N/A for none."""
    try:
        return float(text)
    except ValueError:
        return None


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _seconds(execution: str) -> float | None:
    """Return the time of an operator including those below it, from Go's notation."""
    found = _TIME.search(execution)
    if found is None:
        return None
    parts = [(_number(amount), unit) for amount, unit in _PART.findall(found[1])]
    return sum(amount * _SECONDS[unit] for amount, unit in parts if amount is not None)
