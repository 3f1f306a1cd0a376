"""Queries into frames and files: bound parameters, progress, stop button, memory limit, parallel reads."""
