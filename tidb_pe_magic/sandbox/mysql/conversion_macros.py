"""The DuckDB macros of MySQL's conversions, which take what a text begins with instead of failing."""

from __future__ import annotations

from typing import Final

#: The macros; `typeof` decides for values whose type only DuckDB knows.
MACROS: Final = r"""
-- The number that a text begins with; 0 without one.
CREATE MACRO mysql_prefix(s) AS CASE WHEN s IS NOT NULL THEN coalesce(TRY_CAST(
  regexp_extract(CAST(s AS VARCHAR), '^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?')
  AS DOUBLE), 0) END;
CREATE MACRO mysql_text(x) AS CASE typeof(x)
  WHEN 'BOOLEAN' THEN CAST(TRY_CAST(x AS INTEGER) AS VARCHAR)
  WHEN 'DOUBLE' THEN replace(regexp_replace(CAST(x AS VARCHAR), '\.0$', ''), 'e+', 'e')
  ELSE CAST(x AS VARCHAR) END;
-- A time with this many digits behind its seconds; as in mysql_week, the lambda's argument is bound once.
CREATE MACRO mysql_fraction(x, digits) AS list_transform([CAST(x AS VARCHAR)], lambda t:
  split_part(t, '.', 1) || '.' || rpad(split_part(t, '.', 2), digits, '0'))[1];
-- A date as the number YYYYMMDD, with a time YYYYMMDDhhmmss, and a time as hhmmss.
CREATE MACRO mysql_moment_number(x) AS CASE typeof(x)
  WHEN 'DATE' THEN CAST(strftime(TRY_CAST(CAST(x AS VARCHAR) AS DATE), '%Y%m%d') AS BIGINT)
  WHEN 'TIME' THEN CAST(replace(left(CAST(x AS VARCHAR), 8), ':', '') AS BIGINT)
  ELSE CAST(strftime(TRY_CAST(CAST(x AS VARCHAR) AS TIMESTAMP), '%Y%m%d%H%M%S') AS BIGINT) END;
CREATE MACRO mysql_date_words(s) AS CASE
  WHEN regexp_matches(s, '^\s*[0-9]{4}[^0-9][0-9]{1,2}[^0-9][0-9]{1,2}([^0-9]|$)')
    THEN regexp_replace(regexp_extract(s, '[0-9]{4}[^0-9][0-9]{1,2}[^0-9][0-9]{1,2}'), '[^0-9]', '-', 'g')
  WHEN regexp_matches(s, '^\s*[0-9]{2}[^0-9:][0-9]{1,2}[^0-9:][0-9]{1,2}([^0-9]|$)')
    THEN CASE WHEN trim(s) < '70' THEN '20' ELSE '19' END
      || regexp_replace(regexp_extract(s, '[0-9]{2}[^0-9][0-9]{1,2}[^0-9][0-9]{1,2}'), '[^0-9]', '-', 'g')
  WHEN regexp_full_match(s, '\s*[0-9]{8}([0-9]{6})?\s*')
    THEN concat_ws('-', trim(s)[1:4], trim(s)[5:6], trim(s)[7:8]) END;
CREATE MACRO mysql_clock_words(s) AS CASE
  WHEN regexp_full_match(s, '\s*[0-9]{14}\s*')
    THEN concat_ws(':', trim(s)[9:10], trim(s)[11:12], trim(s)[13:14])
  ELSE coalesce(nullif(regexp_extract(s, '[ T]([0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]*)?)?)', 1), ''),
    '00:00') END;
CREATE MACRO mysql_words_moment(s) AS
  TRY_CAST(mysql_date_words(s) || ' ' || mysql_clock_words(s) AS TIMESTAMP);
CREATE MACRO mysql_to_date(x) AS CASE typeof(x)
  WHEN 'TIMESTAMP' THEN TRY_CAST(CAST(x AS VARCHAR) AS DATE)
  ELSE CAST(mysql_words_moment(CAST(x AS VARCHAR)) AS DATE) END;
-- Rounded to a number of decimals.
CREATE MACRO mysql_to_datetime(x, digits) AS time_bucket(to_microseconds(CAST(10 ** (6 - digits) AS BIGINT)),
  mysql_words_moment(CAST(x AS VARCHAR)) + to_microseconds(CAST(10 ** (6 - digits) // 2 AS BIGINT)));
CREATE MACRO mysql_clock(s) AS CASE
  WHEN regexp_matches(s, '^\s*[0-9]{4}-') THEN CAST(TRY_CAST(s AS TIMESTAMP) AS TIME)
  WHEN regexp_full_match(s, '\s*[0-9]{1,6}(\.[0-9]+)?\s*')
    THEN TRY_CAST(concat_ws(':', lpad(split_part(trim(s), '.', 1), 6, '0')[1:2],
      lpad(split_part(trim(s), '.', 1), 6, '0')[3:4], lpad(split_part(trim(s), '.', 1), 6, '0')[5:6]) AS TIME)
  ELSE TRY_CAST(CASE WHEN regexp_full_match(s, '\s*[0-9]{1,2}:[0-9]{1,2}\s*') THEN trim(s) || ':00'
    ELSE s END AS TIME) END;
CREATE MACRO mysql_to_time(x) AS mysql_clock(CAST(x AS VARCHAR));
CREATE MACRO mysql_to_integer(x) AS CASE typeof(x)
  WHEN 'VARCHAR' THEN CASE WHEN x IS NOT NULL THEN
    coalesce(TRY_CAST(regexp_extract(CAST(x AS VARCHAR), '^\s*[-+]?[0-9]+') AS BIGINT), 0) END
  WHEN 'BOOLEAN' THEN TRY_CAST(TRY_CAST(CAST(x AS VARCHAR) AS BOOLEAN) AS BIGINT)
  ELSE CAST(round(TRY_CAST(CAST(x AS VARCHAR) AS DECIMAL(38, 12))) AS BIGINT) END;
"""
