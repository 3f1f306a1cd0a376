"""How each client connects: a connection as the text that the client reads; no I/O.

A password is never in the text: it stands where the client's own format lets it be looked up.
"""
