"""The IPython parts: the magic, its completion, the form, and the live progress."""
