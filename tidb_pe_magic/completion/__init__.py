"""Completion: the names that the kernel knows, and the shells' scripts."""
