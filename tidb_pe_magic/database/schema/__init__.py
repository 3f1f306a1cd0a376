"""What a server's databases hold: tables and their columns, for people, completion and error messages."""
