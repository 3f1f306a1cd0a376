"""The contents of a server's databases: tables and their columns, for display, completion and errors."""
