"""The parts of every database: MySQL's information_schema as views, and MySQL's functions as macros."""

from __future__ import annotations

from typing import Final

from tidb_pe_magic.sandbox.mysql import conversion_macros, date_arithmetic, information_schema, time_functions
from tidb_pe_magic.sandbox.mysql.functions import MACROS

_MACROS: Final = """
-- Trailing spaces are never too long.
CREATE MACRO mysql_fits(x, most) AS length(rtrim(x, ' ')) <= most;
CREATE MACRO mysql_fits_bytes(x, most) AS octet_length(x) <= most;
CREATE MACRO mysql_length(x) AS CASE typeof(x)
  WHEN 'BLOB' THEN octet_length(TRY_CAST(x AS BLOB)) ELSE strlen(CAST(x AS VARCHAR)) END;
CREATE MACRO mysql_last_day(x) AS last_day(mysql_to_date(x));
CREATE MACRO mysql_dayname(x) AS dayname(mysql_to_date(x));
CREATE MACRO mysql_dayofweek(x) AS dayofweek(x) + 1;
CREATE MACRO mysql_weekday(x) AS isodow(CAST(x AS TIMESTAMP)) - 1;
CREATE MACRO mysql_substring_index(s, d, n) AS CASE WHEN n >= 0
  THEN array_to_string(list_slice(string_split(s, d), 1, n), d)
  ELSE array_to_string(list_slice(string_split(s, d), n, -1), d) END;
CREATE MACRO mysql_strcmp(a, b) AS CASE WHEN a < b THEN -1 WHEN a > b THEN 1 WHEN a = b THEN 0 END;
CREATE MACRO mysql_unix_timestamp(x) AS CAST(epoch(CAST(x AS TIMESTAMP)) AS BIGINT);
CREATE MACRO mysql_time_to_sec(x) AS CAST(epoch(CAST(x AS TIME)) AS BIGINT);
CREATE MACRO mysql_sec_to_time(x) AS to_seconds(x);
CREATE MACRO mysql_timediff(a, b) AS CAST(a AS TIMESTAMP) - CAST(b AS TIMESTAMP);
-- TIMESTAMPDIFF counts complete units; DuckDB's date_diff counts the boundaries between two times.
CREATE MACRO mysql_day_of_month(x) AS CAST(x AS TIMESTAMP) - date_trunc('month', CAST(x AS TIMESTAMP));
CREATE MACRO mysql_monthdiff(a, b) AS
  date_diff('month', CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP))
  - CAST(CAST(b AS TIMESTAMP) >= CAST(a AS TIMESTAMP)
    AND mysql_day_of_month(b) < mysql_day_of_month(a) AS BIGINT)
  + CAST(CAST(b AS TIMESTAMP) < CAST(a AS TIMESTAMP)
    AND mysql_day_of_month(b) > mysql_day_of_month(a) AS BIGINT);
CREATE MACRO mysql_timestampdiff(unit, a, b) AS CASE unit
  WHEN 'MONTH' THEN mysql_monthdiff(a, b)
  WHEN 'QUARTER' THEN CAST(trunc(mysql_monthdiff(a, b) / 3) AS BIGINT)
  WHEN 'YEAR' THEN CAST(trunc(mysql_monthdiff(a, b) / 12) AS BIGINT)
  ELSE date_sub(unit, CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP)) END;
CREATE MACRO mysql_json_unquote(x) AS CAST(x AS JSON) ->> '$';
CREATE MACRO mysql_isnull(x) AS x IS NULL;
CREATE MACRO mysql_makedate(y, d) AS
  CASE WHEN d > 0 THEN make_date(y, 1, 1) + CAST(d - 1 AS INTEGER) END;
CREATE MACRO mysql_find_in_set(x, s) AS CASE WHEN x IS NOT NULL AND s IS NOT NULL
  THEN coalesce(list_position(string_split(s, ','), x), 0) END;
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
  (x DECIMAL(38, 12)) AS CAST(avg(x) AS DECIMAL(38, 12)),
  (x DOUBLE) AS avg(x),
  (x VARCHAR) AS avg(CAST(x AS DOUBLE));
CREATE MACRO mysql_div(a BIGINT, b BIGINT) AS CAST(a / nullif(b, 0) AS DECIMAL(38, 4)),
  (a HUGEINT, b BIGINT) AS CAST(a / nullif(b, 0) AS DECIMAL(38, 4)),
  (a BIGINT, b HUGEINT) AS CAST(a / nullif(b, 0) AS DECIMAL(38, 4)),
  (a HUGEINT, b HUGEINT) AS CAST(a / nullif(b, 0) AS DECIMAL(38, 4)),
  (a DECIMAL(38, 12), b DECIMAL(38, 12)) AS
    CAST(CAST(a AS DOUBLE) / nullif(CAST(b AS DOUBLE), 0) AS DECIMAL(38, 12)),
  (a DOUBLE, b DOUBLE) AS a / nullif(b, 0);
CREATE MACRO mysql_part_div(a BIGINT, b BIGINT) AS CAST(a / nullif(b, 0) AS DECIMAL(38, 12)),
  (a HUGEINT, b HUGEINT) AS CAST(a / nullif(b, 0) AS DECIMAL(38, 12)),
  (a DECIMAL(38, 12), b DECIMAL(38, 12)) AS
    CAST(CAST(a AS DOUBLE) / nullif(CAST(b AS DOUBLE), 0) AS DECIMAL(38, 12)),
  (a DOUBLE, b DOUBLE) AS a / nullif(b, 0);
"""

#: Settings, which are not part of a copied database.
SETTINGS: Final = "SET GLOBAL error_on_division_by_zero = false; SET GLOBAL TimeZone = 'UTC'"
_OTHERS: Final = f"{MACROS}{time_functions.MACROS}{date_arithmetic.MACROS}{information_schema.SCRIPT}"
SCRIPT: Final = f"{conversion_macros.MACROS}{_MACROS}{_OTHERS}"
