"""A MySQL-protocol server with a TiDB identity over DuckDB."""
