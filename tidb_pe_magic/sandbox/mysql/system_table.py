"""A table of information_schema as a view over DuckDB's catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: The schema of the views.
HIDDEN_SCHEMA: Final = "mysql_information_schema"


@dataclass(frozen=True)
class SystemTable:
    """A table of information_schema.

    Attributes:
        rows: the FROM of its query.
        columns: name, MySQL type and DuckDB expression of each column.
    """

    rows: str
    columns: tuple[tuple[str, str, str], ...]

    def view(self, name: str) -> str:
        """Return the CREATE VIEW statement."""
        listed = ", ".join(f'{expression} AS "{column}"' for column, _, expression in self.columns)
        return f"CREATE VIEW {HIDDEN_SCHEMA}.{name} AS SELECT {listed} FROM {self.rows};\n"  # noqa: S608 - of constants
