"""Completion of the names that the kernel knows, and completion scripts for shells."""
