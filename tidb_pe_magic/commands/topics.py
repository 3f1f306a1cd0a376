"""The names of the help topics."""

from __future__ import annotations

TOPICS = (
    "commands",
    "connections",
    "costs",
    "export",
    "fleets",
    "front-ends",
    "keys",
    "load",
    "permissions",
    "platform",
    "python",
    "queries",
    "quickstart",
    "sandbox",
    "scripts",
    "speed",
    "steps",
    "tls",
    "troubleshooting",
    "versions",
)
"""The topics of `%tidb_pe help`, each a file of the package."""
