"""A planned or existing endpoint in the formats of infrastructure tools; no I/O.

A text contains no keys, and only values that were requested or reported; it omits and lists unknown ones.
"""
