"""LOAD DATA LOCAL INFILE: the statement, and the client's file as the rows of an INSERT.

A line with too few or too many fields is a warning, and so is a row whose key exists, which is skipped. A
value that does not fit its column is an error; TiDB stores a changed value with a warning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, PARSE_ERROR, SqlError
from tidb_pe_magic.sandbox.mysql.parser import Statement, with_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAME: Final = r"(?:`(?:[^`]|``)+`|[\w$]+)"
_TEXT: Final = r"(?:'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")"
_STATEMENT: Final = re.compile(
    rf"""\s*LOAD\s+DATA\s+(?P<local>LOCAL\s+)?INFILE\s*(?P<file>{_TEXT})
    \s+(?:(?P<duplicates>REPLACE|IGNORE)\s+)?INTO\s+TABLE\s+(?P<table>{_NAME}(?:\s*\.\s*{_NAME})?)
    (?:\s+CHARACTER\s+SET\s+(?P<charset>\w+))?
    (?:\s+(?:FIELDS|COLUMNS)
        (?:\s+TERMINATED\s+BY\s+(?P<field_end>{_TEXT}))?
        (?:\s+(?:OPTIONALLY\s+)?ENCLOSED\s+BY\s+(?P<quote>{_TEXT}))?
        (?:\s+ESCAPED\s+BY\s+(?P<escape>{_TEXT}))?)?
    (?:\s+LINES(?:\s+TERMINATED\s+BY\s+(?P<line_end>{_TEXT}))?)?
    (?:\s+IGNORE\s+(?P<skipped>\d+)\s+(?:LINES|ROWS))?
    \s*(?:\(\s*(?P<columns>{_NAME}(?:\s*,\s*{_NAME})*)\s*\))?\s*;?\s*""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_VERB: Final = re.compile(r"\s*LOAD\s+DATA\b", re.IGNORECASE)
_ESCAPE: Final = re.compile(r"\\(.)|''|\"\"", re.DOTALL)
_ESCAPES: Final = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_CHARSETS: Final = frozenset({"utf8", "utf8mb3", "utf8mb4", "ascii", "binary"})


@dataclass(frozen=True, kw_only=True)
class LoadData:
    """A LOAD DATA LOCAL INFILE statement.

    Attributes:
        sql: its text.
        file: the file's name on the client's machine.
        table: with its database if given, as written.
        columns: as written; empty for all columns of the table.
        skipped: number of lines to skip at the beginning.
    """

    sql: str
    file: str
    table: str
    columns: str
    replaces: bool
    field_end: str
    line_end: str
    quote: str
    escape: str
    skipped: int

    @property
    def target(self) -> exp.Table:
        """The table."""
        parsed = exp.maybe_parse(self.table, into=exp.Table, dialect="mysql")
        assert isinstance(parsed, exp.Table)  # noqa: S101 - the pattern of the statement matched
        return parsed

    def statement(self, content: bytes, columns: Sequence[str], *, keyed: bool) -> LoadedLines:
        """Return the INSERT of the lines.

        Args:
            content: of the file.
            columns: the names of the table's columns.
            keyed: the table has a key, whose duplicates are skipped.
        """
        named = self.columns or ", ".join(f"`{name.replace('`', '``')}`" for name in columns)
        wanted = len(re.findall(_NAME, named))
        warnings = 0
        rows: list[Sequence[str | None]] = []
        for fields in list(self._records(content.decode("utf-8", "surrogateescape")))[self.skipped :]:
            warnings += len(fields) != wanted
            rows.append((*fields, *[None] * wanted)[:wanted])
        if not rows:
            return LoadedLines(Statement(None, self.sql), 0, warnings)
        verb = "REPLACE INTO" if self.replaces else "INSERT IGNORE INTO" if keyed else "INSERT INTO"
        inserted = with_rows(f"{verb} {self.table} ({named}) VALUES", rows, self.sql)
        return LoadedLines(inserted, len(rows), warnings)

    def _records(self, text: str) -> Iterator[list[str | None]]:
        """Yield the fields of each line; None for NULL."""
        escape, quote = re.escape(self.escape), re.escape(self.quote)
        end = f"{re.escape(self.field_end)}|{re.escape(self.line_end)}"
        escaped = rf"{escape}.|" if escape else ""
        enclosed = rf"{quote}(?P<enclosed>(?:{escaped}{quote}{quote}|[^{quote}])*+){quote}|" if quote else ""
        special = re.escape(self.escape + self.field_end[:1] + self.line_end[:1])
        # Before Python 3.11.5, a possessive group with a lookahead in it ends too early (CPython, gh-106052).
        plain = rf"(?P<plain>(?:[^{special}]++|{escaped}(?!{end}).)*)"
        field = re.compile(rf"(?:{enclosed}{plain})(?P<end>{end}|\Z)", re.DOTALL)
        record: list[str | None] = []
        position = 0
        while position < len(text):
            found = field.match(text, position)
            if found is None:
                raise SqlError(PARSE_ERROR, "syntax error: cannot have consecutive fields without separator")
            record.append(self._value(found))
            position = found.end()
            if found["end"] != self.field_end or position == len(text):
                if found["end"] == self.field_end:
                    record.append("")
                yield record
                record = []

    def _value(self, field: re.Match[str]) -> str | None:
        enclosed = field.groupdict().get("enclosed")
        plain = field["plain"]
        if enclosed is not None:
            text = enclosed.replace(self.quote * 2, self.quote)
        elif plain in {f"{self.escape}N" if self.escape else None, "NULL" if self.quote else None}:
            return None
        else:
            text = plain
        if not self.escape or self.escape not in text:
            return text
        return re.sub(
            f"{re.escape(self.escape)}(.)", lambda each: _ESCAPES.get(each[1], each[1]), text, flags=re.DOTALL
        )


@dataclass(frozen=True)
class LoadedLines:
    """The lines of a file as an INSERT.

    Attributes:
        records: number of lines.
        warnings: lines with too few or too many fields.
    """

    insert: Statement
    records: int
    warnings: int


def parse(sql: str) -> LoadData | None:
    """Return a LOAD DATA LOCAL INFILE; None for another statement.

    Raises:
        SqlError: an option is not supported.
    """
    if not _VERB.match(sql):
        return None
    unsupported = SqlError(NOT_SUPPORTED, "This form of LOAD DATA is not supported by the sandbox")
    found = _STATEMENT.fullmatch(sql)
    if found is None or not found["local"] or (found["charset"] or "utf8mb4").lower() not in _CHARSETS:
        raise unsupported

    def text(option: str, default: str) -> str:
        return default if found[option] is None else _unquoted(found[option])

    field_end, line_end = text("field_end", "\t"), text("line_end", "\n")
    if not field_end or not line_end:
        raise unsupported
    return LoadData(
        sql=sql,
        file=text("file", ""),
        table=found["table"],
        columns=found["columns"] or "",
        replaces=(found["duplicates"] or "").upper() == "REPLACE",
        field_end=field_end,
        line_end=line_end,
        quote=text("quote", ""),
        escape=text("escape", "\\"),
        skipped=int(found["skipped"] or 0),
    )


def _unquoted(literal: str) -> str:
    return _ESCAPE.sub(lambda each: _ESCAPES.get(each[1], each[1]) if each[1] else each[0][0], literal[1:-1])
