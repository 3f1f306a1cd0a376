"""The operations: their fields, requests and table, and how commands are parsed and written."""
