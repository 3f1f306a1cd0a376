"""Queries into frames and files: bound parameters, progress, a stop button, a memory cap, parallel reads."""
