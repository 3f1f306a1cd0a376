"""Connection settings in the format of each client; no I/O.

The text never contains a password. Each client's own format looks it up instead.
"""
