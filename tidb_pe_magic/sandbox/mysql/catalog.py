"""What every database has: MySQL's information_schema as views, and MySQL's functions as macros."""

from __future__ import annotations

from typing import Final

#: Holds the views; DuckDB's own information_schema cannot be replaced and has other columns.
HIDDEN_SCHEMA: Final = "mysql_information_schema"

_USER_SCHEMA = f"schema_name NOT IN ('main', '{HIDDEN_SCHEMA}')"

_MACROS: Final = """
CREATE MACRO mysql_dayofweek(x) AS dayofweek(x) + 1;
CREATE MACRO mysql_weekday(x) AS isodow(CAST(x AS TIMESTAMP)) - 1;
CREATE MACRO mysql_substring_index(s, d, n) AS CASE WHEN n >= 0
  THEN array_to_string(list_slice(string_split(s, d), 1, n), d)
  ELSE array_to_string(list_slice(string_split(s, d), n, -1), d) END;
CREATE MACRO mysql_strcmp(a, b) AS CASE WHEN a < b THEN -1 WHEN a > b THEN 1 WHEN a = b THEN 0 END;
CREATE MACRO mysql_mid(s, p, n) AS substring(s, p, n);
CREATE MACRO mysql_unix_timestamp(x) AS CAST(epoch(CAST(x AS TIMESTAMP)) AS BIGINT);
CREATE MACRO mysql_time_to_sec(x) AS CAST(epoch(CAST(x AS TIME)) AS BIGINT);
CREATE MACRO mysql_sec_to_time(x) AS to_seconds(x);
CREATE MACRO mysql_timediff(a, b) AS CAST(a AS TIMESTAMP) - CAST(b AS TIMESTAMP);
CREATE MACRO mysql_yearweek(x) AS CAST(strftime(CAST(x AS TIMESTAMP), '%Y%U') AS BIGINT);
CREATE MACRO mysql_json_unquote(x) AS CAST(x AS JSON) ->> '$';
CREATE MACRO mysql_adddate(x, n) AS CAST(x AS DATE) + n;
CREATE MACRO mysql_subdate(x, n) AS CAST(x AS DATE) - n;
CREATE MACRO mysql_isnull(x) AS x IS NULL;
CREATE MACRO mysql_makedate(y, d) AS make_date(y, 1, 1) + CAST(d - 1 AS INTEGER);
CREATE MACRO mysql_field(x, a) AS coalesce(list_position([a], x), 0),
  (x, a, b) AS coalesce(list_position([a, b], x), 0),
  (x, a, b, c) AS coalesce(list_position([a, b, c], x), 0),
  (x, a, b, c, d) AS coalesce(list_position([a, b, c, d], x), 0),
  (x, a, b, c, d, e) AS coalesce(list_position([a, b, c, d, e], x), 0);
-- The mean and the quotient of exact numbers are DECIMAL in MySQL, with four more digits.
CREATE MACRO mysql_avg(x BOOLEAN) AS CAST(avg(CAST(x AS INTEGER)) AS DECIMAL(38, 4)),
  (x BIGINT) AS CAST(avg(x) AS DECIMAL(38, 4)),
  (x UBIGINT) AS CAST(avg(x) AS DECIMAL(38, 4)),
  (x HUGEINT) AS CAST(avg(x) AS DECIMAL(38, 4)),
  (x DECIMAL(38, 4)) AS CAST(avg(x) AS DECIMAL(38, 8)),
  (x DOUBLE) AS avg(x),
  (x VARCHAR) AS avg(CAST(x AS DOUBLE));
CREATE MACRO mysql_div(a BIGINT, b BIGINT) AS CAST(a / nullif(b, 0) AS DECIMAL(38, 4)),
  (a HUGEINT, b BIGINT) AS CAST(a / nullif(b, 0) AS DECIMAL(38, 4)),
  (a BIGINT, b HUGEINT) AS CAST(a / nullif(b, 0) AS DECIMAL(38, 4)),
  (a HUGEINT, b HUGEINT) AS CAST(a / nullif(b, 0) AS DECIMAL(38, 4)),
  (a DECIMAL(38, 4), b DECIMAL(38, 4)) AS
    CAST(CAST(a AS DOUBLE) / nullif(CAST(b AS DOUBLE), 0) AS DECIMAL(38, 8)),
  (a DOUBLE, b DOUBLE) AS a / nullif(b, 0);
"""

_COLUMN_TYPE = """coalesce(c.comment, CASE
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

# S608: made of the constants above.
_VIEWS: Final = f"""
CREATE SCHEMA {HIDDEN_SCHEMA};
CREATE VIEW {HIDDEN_SCHEMA}.schemata AS
  SELECT 'def' AS CATALOG_NAME, schema_name AS SCHEMA_NAME, 'utf8mb4' AS DEFAULT_CHARACTER_SET_NAME,
    'utf8mb4_bin' AS DEFAULT_COLLATION_NAME, CAST(NULL AS VARCHAR) AS SQL_PATH
  FROM duckdb_schemas() WHERE NOT internal AND database_name = 'memory' AND {_USER_SCHEMA}
  UNION ALL SELECT 'def', 'information_schema', 'utf8mb4', 'utf8mb4_bin', NULL;
CREATE VIEW {HIDDEN_SCHEMA}.tables AS
  SELECT 'def' AS TABLE_CATALOG, schema_name AS TABLE_SCHEMA, table_name AS TABLE_NAME,
    'BASE TABLE' AS TABLE_TYPE, 'InnoDB' AS ENGINE, 10 AS VERSION, 'Compact' AS ROW_FORMAT,
    estimated_size AS TABLE_ROWS, 0 AS AVG_ROW_LENGTH, 0 AS DATA_LENGTH, 0 AS INDEX_LENGTH,
    'utf8mb4_bin' AS TABLE_COLLATION, '' AS CREATE_OPTIONS, coalesce(comment, '') AS TABLE_COMMENT
  FROM duckdb_tables() WHERE NOT internal AND {_USER_SCHEMA}
  UNION ALL SELECT 'def', schema_name, view_name, 'VIEW', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, 'VIEW'
  FROM duckdb_views() WHERE NOT internal AND {_USER_SCHEMA}
  UNION ALL SELECT 'def', 'information_schema', upper(view_name), 'SYSTEM VIEW', NULL, 10, NULL, 0, 0, 0, 0,
    'utf8mb4_bin', '', ''
  FROM duckdb_views() WHERE schema_name = '{HIDDEN_SCHEMA}';
CREATE VIEW {HIDDEN_SCHEMA}.table_constraints AS
  SELECT 'def' AS CONSTRAINT_CATALOG, schema_name AS CONSTRAINT_SCHEMA,
    CASE constraint_type WHEN 'PRIMARY KEY' THEN 'PRIMARY' ELSE constraint_name END AS CONSTRAINT_NAME,
    schema_name AS TABLE_SCHEMA, table_name AS TABLE_NAME, constraint_type AS CONSTRAINT_TYPE
  FROM duckdb_constraints()
  WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY') AND {_USER_SCHEMA};
CREATE VIEW {HIDDEN_SCHEMA}.statistics AS
  SELECT 'def' AS TABLE_CATALOG, schema_name AS TABLE_SCHEMA, table_name AS TABLE_NAME, '0' AS NON_UNIQUE,
    schema_name AS INDEX_SCHEMA,
    CASE constraint_type WHEN 'PRIMARY KEY' THEN 'PRIMARY' ELSE constraint_name END AS INDEX_NAME,
    unnest(range(1, len(constraint_column_names) + 1)) AS SEQ_IN_INDEX,
    unnest(constraint_column_names) AS COLUMN_NAME, 'A' AS COLLATION, 0 AS CARDINALITY, 'BTREE' AS INDEX_TYPE
  FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE') AND {_USER_SCHEMA};
CREATE VIEW {HIDDEN_SCHEMA}.key_column_usage AS
  SELECT 'def' AS CONSTRAINT_CATALOG, INDEX_SCHEMA AS CONSTRAINT_SCHEMA, INDEX_NAME AS CONSTRAINT_NAME,
    TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, SEQ_IN_INDEX AS ORDINAL_POSITION,
    CAST(NULL AS VARCHAR) AS REFERENCED_TABLE_SCHEMA, CAST(NULL AS VARCHAR) AS REFERENCED_TABLE_NAME,
    CAST(NULL AS VARCHAR) AS REFERENCED_COLUMN_NAME
  FROM {HIDDEN_SCHEMA}.statistics;
CREATE VIEW {HIDDEN_SCHEMA}.columns AS
  SELECT 'def' AS TABLE_CATALOG, c.schema_name AS TABLE_SCHEMA, c.table_name AS TABLE_NAME,
    c.column_name AS COLUMN_NAME, c.column_index AS ORDINAL_POSITION,
    CASE WHEN c.column_default LIKE 'nextval(%' THEN NULL ELSE trim(c.column_default, '''') END
      AS COLUMN_DEFAULT,
    CASE WHEN c.is_nullable THEN 'YES' ELSE 'NO' END AS IS_NULLABLE,
    regexp_extract({_COLUMN_TYPE}, '^[a-z]+') AS DATA_TYPE,
    CASE WHEN c.data_type = 'VARCHAR'
      THEN coalesce(TRY_CAST(regexp_extract(c.comment, '\\d+') AS BIGINT), 65535) END
      AS CHARACTER_MAXIMUM_LENGTH,
    CASE WHEN c.data_type LIKE 'DECIMAL%' OR c.data_type LIKE '%INT%' THEN c.numeric_precision END
      AS NUMERIC_PRECISION,
    CASE WHEN c.data_type LIKE 'DECIMAL%' OR c.data_type LIKE '%INT%' THEN c.numeric_scale END
      AS NUMERIC_SCALE,
    CASE WHEN c.data_type = 'VARCHAR' THEN 'utf8mb4' END AS CHARACTER_SET_NAME,
    CASE WHEN c.data_type = 'VARCHAR' THEN 'utf8mb4_bin' END AS COLLATION_NAME,
    {_COLUMN_TYPE} AS COLUMN_TYPE,
    coalesce((SELECT CASE min(k.CONSTRAINT_NAME) WHEN 'PRIMARY' THEN 'PRI' ELSE 'UNI' END
      FROM {HIDDEN_SCHEMA}.key_column_usage k WHERE k.TABLE_SCHEMA = c.schema_name
      AND k.TABLE_NAME = c.table_name AND k.COLUMN_NAME = c.column_name HAVING count(*) > 0), '')
      AS COLUMN_KEY,
    CASE WHEN c.column_default LIKE 'nextval(%' THEN 'auto_increment' ELSE '' END AS EXTRA,
    'select,insert,update,references' AS PRIVILEGES, '' AS COLUMN_COMMENT, '' AS GENERATION_EXPRESSION
  FROM duckdb_columns() c WHERE NOT c.internal AND c.{_USER_SCHEMA};
CREATE VIEW {HIDDEN_SCHEMA}.views AS
  SELECT 'def' AS TABLE_CATALOG, schema_name AS TABLE_SCHEMA, view_name AS TABLE_NAME, sql AS VIEW_DEFINITION,
    'CASCADED' AS CHECK_OPTION, 'NO' AS IS_UPDATABLE, 'DEFINER' AS SECURITY_TYPE
  FROM duckdb_views() WHERE NOT internal AND {_USER_SCHEMA};
CREATE VIEW {HIDDEN_SCHEMA}.engines AS
  SELECT 'InnoDB' AS ENGINE, 'DEFAULT' AS SUPPORT, 'Emulated over DuckDB' AS COMMENT, 'YES' AS TRANSACTIONS,
    'NO' AS XA, 'NO' AS SAVEPOINTS;
CREATE VIEW {HIDDEN_SCHEMA}.character_sets AS
  SELECT 'utf8mb4' AS CHARACTER_SET_NAME, 'utf8mb4_bin' AS DEFAULT_COLLATE_NAME,
    'UTF-8 Unicode' AS DESCRIPTION, 4 AS MAXLEN;
CREATE VIEW {HIDDEN_SCHEMA}.collations AS
  SELECT 'utf8mb4_bin' AS COLLATION_NAME, 'utf8mb4' AS CHARACTER_SET_NAME, 46 AS ID, 'Yes' AS IS_DEFAULT,
    'Yes' AS IS_COMPILED, 1 AS SORTLEN;
"""  # noqa: S608 - of constants

SCRIPT: Final = _MACROS + _VIEWS
