"""Files as columns: Parquet unchanged, CSV with a type only if every text can be restored from it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.database.loading.columns import FIELD, SourceColumn, source_column
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
_MOST_DIGITS = 15  # every float64 keeps these
_DATE, _DATETIME = r"^\d{4}-\d{2}-\d{2}$", r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$"


def read_file(path: Path) -> Iterator[SourceColumn]:
    """Yield the columns of a file, chosen by its extension.

    Raises:
        InvalidRequest: the file cannot be read, or has another format.
    """
    ending = path.suffix.lower()
    if ending not in {".csv", ".parquet"}:
        raise InvalidRequest(
            FIELD,
            f"{path.name} is neither a variable nor a file that can be loaded.",
            advice="Use a DataFrame, or a file that ends in .csv or .parquet.",
        )
    try:
        table = _parquet(path) if ending == ".parquet" else _csv(path)
    except OSError as error:
        raise InvalidRequest(FIELD, f"{path}: {error.strerror or error}.") from None
    except (pa.ArrowException, UnicodeError, csv.Error) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InvalidRequest(FIELD, f"{path} cannot be read: {reason}.") from None
    for place, name in enumerate(table.column_names):
        values = table.column(place)
        yield source_column(name, values) if ending == ".parquet" else _of_texts(name, values)


def _parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only for such a file

    return pq.read_table(path)


def _csv(path: Path) -> pa.Table:
    from pyarrow import csv as arrow  # noqa: PLC0415 - only for such a file

    with path.open(newline="", encoding="utf-8-sig") as file:
        names = next(csv.reader(file), [])
    return arrow.read_csv(
        path,
        parse_options=arrow.ParseOptions(newlines_in_values=True),
        convert_options=arrow.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )


def _of_texts(name: str, texts: pa.ChunkedArray) -> SourceColumn:
    """Return the texts as numbers or dates if this loses nothing of any text."""
    values: Any = next(
        (
            found
            for convert in (_integers, _floats, _dates, _datetimes)
            if (found := convert(texts)) is not None
        ),
        texts,
    )
    column = source_column(name, pa.nulls(len(texts)) if texts.null_count == len(texts) else values)
    return SourceColumn(name=name, kind=column.kind, values=column.values, texts=texts)


def _integers(texts: pa.ChunkedArray) -> Any:
    for kind in (pa.int64(), pa.uint64()):
        try:
            values = texts.cast(kind)
        except pa.ArrowInvalid:
            continue
        # 007 is a code, not a number.
        if pc.all(pc.equal(values.cast(pa.large_string()), texts)).as_py() is not False:
            return values
    return None


def _floats(texts: pa.ChunkedArray) -> Any:
    if not _all_match(texts, _NUMBER):
        return None
    digits = pc.utf8_length(pc.replace_substring_regex(texts, r"[eE].*$|[-.]", ""))
    if (pc.max(digits).as_py() or 0) > _MOST_DIGITS:
        return None
    return texts.cast(pa.float64())


def _dates(texts: pa.ChunkedArray) -> Any:
    return _cast(texts, pa.date32()) if _all_match(texts, _DATE) else None


def _datetimes(texts: pa.ChunkedArray) -> Any:
    return _cast(texts, pa.timestamp("us")) if _all_match(texts, _DATETIME) else None


def _cast(texts: pa.ChunkedArray, kind: pa.DataType) -> Any:
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return None


def _all_match(texts: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())
