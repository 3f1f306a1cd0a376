"""What runs inside IPython: the magic, its completion, the form, and the live progress."""
