"""What can be asked: fields, requests, the table of operations, and how commands are parsed and written."""
