"""An endpoint, planned or existing, as the text that infrastructure tools read; no I/O.

No key is in a text, and no value that was not asked for or answered: what is not known is left out, and said.
"""
