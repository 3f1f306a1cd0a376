"""A MySQL-protocol server with a TiDB identity over DuckDB, on top of mysql-mimic."""
