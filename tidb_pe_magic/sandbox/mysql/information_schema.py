"""TiDB's information_schema as views over DuckDB's catalog: its columns, in TiDB's order and types.

DuckDB's own information_schema cannot be replaced and has other columns, so the views have a separate
schema. Names and types are those of TiDB v8.5 (infoschema/tables.go).
"""

from __future__ import annotations

from typing import Final

from tidb_pe_magic.sandbox.mysql.create_table import COLLATION_MARK
from tidb_pe_magic.sandbox.mysql.server_tables import SERVER_TABLES
from tidb_pe_magic.sandbox.mysql.system_table import HIDDEN_SCHEMA, SystemTable

#: The name that clients see; TiDB writes it in capitals.
NAME: Final = "INFORMATION_SCHEMA"

_OWN: Final = f"schema_name NOT IN ('main', '{HIDDEN_SCHEMA}')"
# A column's comment in DuckDB is its MySQL type and, after a line break, its own comment.
_KEPT_TYPE: Final = "string_split(c.comment, chr(10))[1]"
_COLUMN_TYPE: Final = f"""coalesce({_KEPT_TYPE}, CASE
  WHEN c.data_type IN ('INTEGER') THEN 'int'
  WHEN c.data_type = 'UINTEGER' THEN 'int unsigned'
  WHEN c.data_type = 'UBIGINT' THEN 'bigint unsigned'
  WHEN c.data_type = 'USMALLINT' THEN 'smallint unsigned'
  WHEN c.data_type = 'UTINYINT' THEN 'tinyint unsigned'
  WHEN c.data_type = 'BOOLEAN' THEN 'tinyint(1)'
  WHEN c.data_type = 'HUGEINT' THEN 'decimal(38,0)'
  WHEN c.data_type = 'VARCHAR' THEN 'text'
  WHEN c.data_type = 'BLOB' THEN 'longblob'
  WHEN c.data_type LIKE 'TIMESTAMP%' THEN 'datetime(6)'
  ELSE lower(replace(c.data_type, ', ', ',')) END)"""
#: Average bytes of a value: TiDB uses 8 for each type of fixed length, and statistics for others.
_WIDTH: Final = (
    "CASE WHEN data_type = 'VARCHAR' "
    "THEN coalesce(TRY_CAST(regexp_extract(comment, '\\d+') AS BIGINT) / 2, 16) ELSE 8 END"
)
# The sandbox does not know when a table was created.
_CREATED: Final = "TIMESTAMP '2026-01-01 00:00:00'"

_NAME_TYPE, _CATALOG_TYPE, _COUNT = "varchar(64)", "varchar(512)", "bigint(21)"
_NO_TEXT, _NO_COUNT = "CAST(NULL AS VARCHAR)", "CAST(NULL AS BIGINT)"

# The views' base; these names are not tables of information_schema, and clients do not use them.
_BASES: Final = f"""
CREATE VIEW {HIDDEN_SCHEMA}."base nothing" AS SELECT 1;
CREATE VIEW {HIDDEN_SCHEMA}."base tables" AS
  SELECT schema_name, table_name, 'BASE TABLE' AS kind, estimated_size AS rows,
    CASE WHEN comment LIKE '{{%' THEN comment ->> '$.comment' ELSE comment END AS note,
    table_oid AS number, has_primary_key AS clustered,
    coalesce(CASE WHEN comment LIKE '{{%' THEN comment ->> '$.collation' END, 'utf8mb4_bin')
      AS default_collation
  FROM duckdb_tables() WHERE NOT internal AND {_OWN}
  UNION ALL SELECT schema_name, view_name, 'VIEW', NULL, 'VIEW', view_oid, NULL, NULL
  FROM duckdb_views() WHERE NOT internal AND {_OWN}
  UNION ALL SELECT '{NAME}', upper(view_name), 'SYSTEM VIEW', 0, '', view_oid, NULL, 'utf8mb4_bin'
  FROM duckdb_views() WHERE schema_name = '{HIDDEN_SCHEMA}' AND view_name NOT LIKE 'base %';
CREATE VIEW {HIDDEN_SCHEMA}."base keys" AS
  WITH named AS (
    SELECT schema_name, table_name, unnest(from_json(json_extract(comment, '$.keys'),
      '[{{"name": "VARCHAR", "unique": "BOOLEAN", "columns": ["VARCHAR"], "comment": "VARCHAR"}}]')) AS k
    FROM duckdb_tables() WHERE NOT internal AND comment LIKE '{{%' AND {_OWN}),
  stated AS (
    SELECT schema_name, table_name, k."name" AS key_name, k."unique" AS is_unique, k."columns" AS names,
      k."comment" AS note FROM named),
  constrained AS (
    SELECT schema_name, table_name, constraint_type,
      CASE constraint_type WHEN 'PRIMARY KEY' THEN 'PRIMARY' ELSE constraint_name END AS key_name,
      constraint_column_names AS names
    FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE') AND {_OWN})
  SELECT schema_name, table_name, key_name, true AS is_unique, names, '' AS note,
    key_name = 'PRIMARY' AS first FROM constrained c WHERE constraint_type = 'PRIMARY KEY' OR NOT EXISTS (
      SELECT 1 FROM stated s WHERE s.schema_name = c.schema_name AND s.table_name = c.table_name
      AND s.is_unique AND s.names = c.names)
  UNION ALL SELECT schema_name, table_name, key_name, is_unique, names, coalesce(note, ''), false FROM stated
  UNION ALL SELECT schema_name, table_name, index_name, is_unique,
    list_transform(string_split(trim(expressions, '[]'), ', '), lambda x: trim(x, '"''')), '', false
    FROM duckdb_indexes() WHERE {_OWN};
CREATE VIEW {HIDDEN_SCHEMA}."base key columns" AS
  SELECT schema_name, table_name, key_name, is_unique, note, first, len(names) AS width,
    unnest(range(1, len(names) + 1)) AS place, unnest(names) AS column_name
  FROM {HIDDEN_SCHEMA}."base keys";
CREATE VIEW {HIDDEN_SCHEMA}."base sizes" AS
  WITH k AS (SELECT DISTINCT schema_name, table_name, column_name FROM {HIDDEN_SCHEMA}."base key columns"
    WHERE NOT first)
  SELECT c.schema_name, c.table_name, CAST(sum({_WIDTH}) AS BIGINT) AS bytes,
    CAST(coalesce(sum({_WIDTH}) FILTER (k.column_name IS NOT NULL), 0) AS BIGINT) AS key_bytes
  FROM duckdb_columns() c LEFT JOIN k USING (schema_name, table_name, column_name)
  WHERE NOT c.internal AND {_OWN.replace("schema_name", "c.schema_name")} GROUP BY ALL;
"""  # noqa: S608 - of constants


_TABLE_KEY = (
    ("TABLE_CATALOG", _CATALOG_TYPE, "'def'"),
    ("TABLE_SCHEMA", _NAME_TYPE, "schema_name"),
    ("TABLE_NAME", _NAME_TYPE, "table_name"),
)
_SCHEMATA = SystemTable(
    f"""(SELECT schema_name FROM duckdb_schemas() WHERE NOT internal AND database_name = 'memory' AND {_OWN}
    UNION ALL SELECT '{NAME}')""",  # noqa: S608 - of constants
    (
        ("CATALOG_NAME", _CATALOG_TYPE, "'def'"),
        ("SCHEMA_NAME", _NAME_TYPE, "schema_name"),
        ("DEFAULT_CHARACTER_SET_NAME", _NAME_TYPE, "'utf8mb4'"),
        ("DEFAULT_COLLATION_NAME", "varchar(32)", "'utf8mb4_bin'"),
        ("SQL_PATH", _CATALOG_TYPE, _NO_TEXT),
        ("TIDB_PLACEMENT_POLICY_NAME", _NAME_TYPE, _NO_TEXT),
    ),
)
_BASE, _HANDLE = "kind = 'BASE TABLE'", "'(PK_IS_HANDLE)'"
_TABLES = SystemTable(
    f"""(SELECT t.*, CASE kind WHEN 'SYSTEM VIEW' THEN 0 ELSE s.bytes END AS bytes,
      CASE kind WHEN 'SYSTEM VIEW' THEN 0 ELSE s.key_bytes END AS key_bytes
    FROM {HIDDEN_SCHEMA}."base tables" t
    LEFT JOIN {HIDDEN_SCHEMA}."base sizes" s USING (schema_name, table_name))""",  # noqa: S608 - of constants
    (
        *_TABLE_KEY,
        ("TABLE_TYPE", _NAME_TYPE, "kind"),
        ("ENGINE", _NAME_TYPE, f"CASE WHEN {_BASE} THEN 'InnoDB' END"),
        ("VERSION", _COUNT, "CASE WHEN kind <> 'VIEW' THEN CAST(10 AS BIGINT) END"),
        ("ROW_FORMAT", "varchar(10)", f"CASE WHEN {_BASE} THEN 'Compact' END"),
        ("TABLE_ROWS", _COUNT, "CAST(rows AS BIGINT)"),
        ("AVG_ROW_LENGTH", _COUNT, "CASE WHEN rows > 0 THEN bytes ELSE CAST(rows AS BIGINT) END"),
        ("DATA_LENGTH", _COUNT, "CAST(rows * bytes AS BIGINT)"),
        ("MAX_DATA_LENGTH", _COUNT, "CASE WHEN kind <> 'VIEW' THEN CAST(0 AS BIGINT) END"),
        ("INDEX_LENGTH", _COUNT, "CAST(rows * key_bytes AS BIGINT)"),
        ("DATA_FREE", _COUNT, "CASE WHEN kind <> 'VIEW' THEN CAST(0 AS BIGINT) END"),
        ("AUTO_INCREMENT", _COUNT, _NO_COUNT),
        ("CREATE_TIME", "datetime", _CREATED),
        ("UPDATE_TIME", "datetime", "CAST(NULL AS TIMESTAMP)"),
        ("CHECK_TIME", "datetime", "CAST(NULL AS TIMESTAMP)"),
        ("TABLE_COLLATION", "varchar(32)", "default_collation"),
        ("CHECKSUM", _COUNT, _NO_COUNT),
        ("CREATE_OPTIONS", "varchar(255)", "CASE WHEN kind <> 'VIEW' THEN '' END"),
        ("TABLE_COMMENT", "varchar(2048)", "coalesce(note, '')"),
        ("TIDB_TABLE_ID", _COUNT, "CAST(number AS BIGINT)"),
        (
            "TIDB_ROW_ID_SHARDING_INFO",
            "varchar(255)",
            f"CASE WHEN {_BASE} THEN concat('NOT_SHARDED', CASE WHEN clustered THEN {_HANDLE} END) END",
        ),
        (
            "TIDB_PK_TYPE",
            _NAME_TYPE,
            f"CASE WHEN {_BASE} THEN CASE WHEN clustered THEN 'CLUSTERED' ELSE 'NONCLUSTERED' END END",
        ),
        ("TIDB_PLACEMENT_POLICY_NAME", _NAME_TYPE, _NO_TEXT),
    ),
)
_KEYED = f'{HIDDEN_SCHEMA}."base key columns"'
_STATISTICS = SystemTable(
    f"{_KEYED} k JOIN duckdb_columns() c USING (schema_name, table_name, column_name)",
    (
        *_TABLE_KEY,
        ("NON_UNIQUE", "varchar(1)", "CASE WHEN is_unique THEN '0' ELSE '1' END"),
        ("INDEX_SCHEMA", _NAME_TYPE, "schema_name"),
        ("INDEX_NAME", _NAME_TYPE, "key_name"),
        ("SEQ_IN_INDEX", "bigint(2)", "place"),
        ("COLUMN_NAME", "varchar(21)", "c.column_name"),
        ("COLLATION", "varchar(1)", "'A'"),
        ("CARDINALITY", _COUNT, "CAST(0 AS BIGINT)"),
        ("SUB_PART", "bigint(3)", _NO_COUNT),
        ("PACKED", "varchar(10)", _NO_TEXT),
        ("NULLABLE", "varchar(3)", "CASE WHEN c.is_nullable THEN 'YES' ELSE '' END"),
        ("INDEX_TYPE", "varchar(16)", "'BTREE'"),
        ("COMMENT", "varchar(16)", "''"),
        ("INDEX_COMMENT", "varchar(1024)", "note"),
        ("IS_VISIBLE", "varchar(3)", "'YES'"),
        ("Expression", _NAME_TYPE, _NO_TEXT),
    ),
)
_TIDB_INDEXES = SystemTable(
    _KEYED,
    (
        ("TABLE_SCHEMA", _NAME_TYPE, "schema_name"),
        ("TABLE_NAME", _NAME_TYPE, "table_name"),
        ("NON_UNIQUE", _COUNT, "CAST(NOT is_unique AS BIGINT)"),
        ("KEY_NAME", _NAME_TYPE, "key_name"),
        ("SEQ_IN_INDEX", _COUNT, "place"),
        ("COLUMN_NAME", _NAME_TYPE, "column_name"),
        ("SUB_PART", _COUNT, _NO_COUNT),
        ("INDEX_COMMENT", "varchar(1024)", "note"),
        ("Expression", _NAME_TYPE, _NO_TEXT),
        ("INDEX_ID", _COUNT, "CAST(CASE WHEN first THEN 0 ELSE 1 END AS BIGINT)"),
        ("IS_VISIBLE", _NAME_TYPE, "'YES'"),
        ("CLUSTERED", _NAME_TYPE, "CASE WHEN first THEN 'YES' ELSE 'NO' END"),
        ("IS_GLOBAL", "tinyint(1)", "CAST(0 AS TINYINT)"),
    ),
)
_TABLE_CONSTRAINTS = SystemTable(
    f"""(SELECT schema_name, table_name, key_name,
    CASE WHEN first THEN 'PRIMARY KEY' ELSE 'UNIQUE' END AS kind
    FROM {HIDDEN_SCHEMA}."base keys" WHERE is_unique
    UNION ALL SELECT schema_name, table_name, constraint_name, 'FOREIGN KEY' FROM duckdb_constraints()
    WHERE constraint_type = 'FOREIGN KEY' AND {_OWN})""",  # noqa: S608 - of constants
    (
        ("CONSTRAINT_CATALOG", _CATALOG_TYPE, "'def'"),
        ("CONSTRAINT_SCHEMA", _NAME_TYPE, "schema_name"),
        ("CONSTRAINT_NAME", _NAME_TYPE, "key_name"),
        ("TABLE_SCHEMA", _NAME_TYPE, "schema_name"),
        ("TABLE_NAME", _NAME_TYPE, "table_name"),
        ("CONSTRAINT_TYPE", _NAME_TYPE, "kind"),
    ),
)
_KEY_COLUMN_USAGE = SystemTable(
    f"""(SELECT schema_name, table_name, key_name, place, column_name, {_NO_TEXT} AS of_schema,
    {_NO_TEXT} AS of_table, {_NO_TEXT} AS of_column FROM {_KEYED} WHERE is_unique
    UNION ALL SELECT schema_name, table_name, constraint_name,
      unnest(range(1, len(constraint_column_names) + 1)), unnest(constraint_column_names), schema_name,
      referenced_table, unnest(referenced_column_names)
    FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY' AND {_OWN})""",  # noqa: S608 - of constants
    (
        ("CONSTRAINT_CATALOG", _CATALOG_TYPE, "'def'"),
        ("CONSTRAINT_SCHEMA", _NAME_TYPE, "schema_name"),
        ("CONSTRAINT_NAME", "varchar(256)", "key_name"),
        *_TABLE_KEY,
        ("COLUMN_NAME", _NAME_TYPE, "column_name"),
        ("ORDINAL_POSITION", "bigint(10)", "place"),
        (
            "POSITION_IN_UNIQUE_CONSTRAINT",
            "bigint(10)",
            "CASE WHEN of_table IS NOT NULL OR key_name = 'PRIMARY' THEN CAST(1 AS BIGINT) END",
        ),
        ("REFERENCED_TABLE_SCHEMA", _NAME_TYPE, "of_schema"),
        ("REFERENCED_TABLE_NAME", _NAME_TYPE, "of_table"),
        ("REFERENCED_COLUMN_NAME", _NAME_TYPE, "of_column"),
    ),
)
_KIND, _SIZE = "regexp_extract(kind, '^[a-z]+')", "TRY_CAST(regexp_extract(kind, '\\d+') AS BIGINT)"
_TEXT_TYPE = "char|varchar|tinytext|text|mediumtext|longtext|enum|set"
_LENGTHS = {
    "text": 65535,
    "blob": 65535,
    "tinytext": 255,
    "tinyblob": 255,
    "mediumtext": 2**24 - 1,
    "mediumblob": 2**24 - 1,
    "longtext": 2**32 - 1,
    "longblob": 2**32 - 1,
    "enum": 64,
    "set": 64,
}
_DIGITS = {"tinyint": 3, "smallint": 5, "mediumint": 7, "int": 10, "float": 12, "double": 22, "year": 4}


def _case(values: dict[str, int], *more: str) -> str:
    """Return an expression for a property of a type."""
    cases = (*(f"WHEN '{kind}' THEN {value}" for kind, value in values.items()), *more)
    return f"CASE {_KIND} {' '.join(cases)} END"


_INTEGER_DIGITS = _case(
    _DIGITS,
    "WHEN 'bigint' THEN CASE WHEN kind LIKE '%unsigned' THEN 20 ELSE 19 END",
    f"WHEN 'decimal' THEN coalesce({_SIZE}, 10)",
)
_TEXT_LENGTH = _case(
    _LENGTHS,
    *(f"WHEN '{kind}' THEN coalesce({_SIZE}, 1)" for kind in ("char", "binary", "varchar", "varbinary")),
)
_OWN_COLLATION = f"{COLLATION_MARK}([a-z0-9_]+)$"
_COLLATION = f"coalesce(nullif(regexp_extract(kind, '{_OWN_COLLATION}', 1), ''), 'utf8mb4_bin')"
_CHARSET = f"split_part({_COLLATION}, '_', 1)"
_IS_TEXT = f"regexp_full_match({_KIND}, '{_TEXT_TYPE}')"
_BYTES_OF_TEXT = f"CASE WHEN {_IS_TEXT} AND kind NOT LIKE '%text' THEN 4 ELSE 1 END"
_SCALE = (
    "CASE WHEN kind LIKE 'decimal%' THEN coalesce(TRY_CAST(regexp_extract(kind, ',(\\d+)', 1) AS BIGINT), 0) "
    f"WHEN regexp_full_match({_KIND}, '(tiny|small|medium|big)?int|year') THEN 0 END"
)
_FRACTION = f"CASE WHEN regexp_full_match({_KIND}, 'datetime|timestamp|time') THEN coalesce({_SIZE}, 0) END"
_COLUMNS = SystemTable(
    f"""(SELECT c.schema_name, c.table_name, c.column_name, CAST(c.column_index AS BIGINT) AS place,
    CASE WHEN c.column_default LIKE 'nextval(%' OR c.column_default = 'NULL' THEN NULL
      ELSE trim(c.column_default, '''') END AS value,
    c.is_nullable, {_COLUMN_TYPE} AS kind, coalesce(k.kind, '') AS key,
    CASE WHEN c.column_default LIKE 'nextval(%' THEN 'auto_increment'
      WHEN list_contains(u.names, c.column_name) THEN 'DEFAULT_GENERATED on update CURRENT_TIMESTAMP'
      ELSE '' END AS extra,
    CASE WHEN contains(c.comment, chr(10)) THEN c.comment[strpos(c.comment, chr(10)) + 1:] ELSE '' END AS note
    FROM duckdb_columns() c LEFT JOIN (
      SELECT schema_name, table_name, column_name, CASE min(CASE WHEN first THEN 1
        WHEN is_unique AND width = 1 THEN 2 WHEN place = 1 THEN 3 ELSE 4 END)
        WHEN 1 THEN 'PRI' WHEN 2 THEN 'UNI' WHEN 3 THEN 'MUL' END AS kind
      FROM {_KEYED} GROUP BY ALL) k USING (schema_name, table_name, column_name)
    LEFT JOIN (SELECT schema_name, table_name,
        from_json(json_extract(comment, '$.on_update'), '["VARCHAR"]') AS names
      FROM duckdb_tables() WHERE comment LIKE '{{%') u USING (schema_name, table_name)
    WHERE NOT c.internal AND c.{_OWN}
    UNION ALL SELECT '{NAME}', table_name, column_name, CAST(place AS BIGINT), NULL, true, kind, '', '', ''
    FROM {HIDDEN_SCHEMA}."base system columns")""",  # noqa: S608 - of constants
    (
        *_TABLE_KEY,
        ("COLUMN_NAME", _NAME_TYPE, "column_name"),
        ("ORDINAL_POSITION", "bigint(64)", "place"),
        ("COLUMN_DEFAULT", "text", "value"),
        ("IS_NULLABLE", "varchar(3)", "CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END"),
        ("DATA_TYPE", _NAME_TYPE, _KIND),
        ("CHARACTER_MAXIMUM_LENGTH", _COUNT, _TEXT_LENGTH),
        ("CHARACTER_OCTET_LENGTH", _COUNT, f"{_TEXT_LENGTH} * {_BYTES_OF_TEXT}"),
        ("NUMERIC_PRECISION", _COUNT, f"CAST({_INTEGER_DIGITS} AS BIGINT)"),
        ("NUMERIC_SCALE", _COUNT, _SCALE),
        ("DATETIME_PRECISION", _COUNT, _FRACTION),
        (
            "CHARACTER_SET_NAME",
            "varchar(32)",
            f"CASE WHEN {_IS_TEXT} THEN split_part({_COLLATION}, '_', 1) END",
        ),
        ("COLLATION_NAME", "varchar(32)", f"CASE WHEN {_IS_TEXT} THEN {_COLLATION} END"),
        ("COLUMN_TYPE", "text", f"regexp_replace(kind, '{_OWN_COLLATION}', '')"),
        ("COLUMN_KEY", "varchar(3)", "key"),
        ("EXTRA", "varchar(45)", "extra"),
        ("PRIVILEGES", "varchar(80)", "'select,insert,update,references'"),
        ("COLUMN_COMMENT", "varchar(1024)", "note"),
        ("GENERATION_EXPRESSION", "text", "''"),
    ),
)
_VIEWS = SystemTable(
    f"(SELECT schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal AND {_OWN})",  # noqa: S608 - of constants
    (
        ("TABLE_CATALOG", _CATALOG_TYPE, "'def'"),
        ("TABLE_SCHEMA", _NAME_TYPE, "schema_name"),
        ("TABLE_NAME", _NAME_TYPE, "view_name"),
        ("VIEW_DEFINITION", "text", "sql"),
        ("CHECK_OPTION", "varchar(8)", "'CASCADED'"),
        ("IS_UPDATABLE", "varchar(3)", "'NO'"),
        ("DEFINER", "varchar(77)", "'root@%'"),
        ("SECURITY_TYPE", "varchar(7)", "'DEFINER'"),
        ("CHARACTER_SET_CLIENT", "varchar(32)", "'utf8mb4'"),
        ("COLLATION_CONNECTION", "varchar(32)", "'utf8mb4_bin'"),
    ),
)
SYSTEM_TABLES: Final = {
    "schemata": _SCHEMATA,
    "tables": _TABLES,
    "columns": _COLUMNS,
    "statistics": _STATISTICS,
    "tidb_indexes": _TIDB_INDEXES,
    "table_constraints": _TABLE_CONSTRAINTS,
    "key_column_usage": _KEY_COLUMN_USAGE,
    "views": _VIEWS,
    **SERVER_TABLES,
}
"""The tables, by their names in lower case."""


def _system_columns() -> str:
    rows = ", ".join(
        f"('{table.upper()}', '{column}', {place}, '{kind}')"
        for table, described in SYSTEM_TABLES.items()
        for place, (column, kind, _) in enumerate(described.columns, 1)
    )
    return (
        f'CREATE VIEW {HIDDEN_SCHEMA}."base system columns" AS '  # noqa: S608 - of constants
        f"SELECT * FROM (VALUES {rows}) t(table_name, column_name, place, kind);\n"
    )


SCRIPT: Final = "".join(
    (
        f"CREATE SCHEMA {HIDDEN_SCHEMA};\n",
        _BASES,
        _system_columns(),
        *(table.view(name) for name, table in SYSTEM_TABLES.items()),
    )
)
"""The SQL that creates the views."""
