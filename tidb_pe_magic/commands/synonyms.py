"""Commands and flags of other tools, and their names here."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import SQL, Suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_SELECT = Suggestion(SQL, "tidb", "SELECT 1")

COMMANDS: Mapping[str, tuple[Suggestion, ...]] = MappingProxyType(
    {
        "add": (Suggestion("create"),),
        "apply": (Suggestion("create"), Suggestion("fleet", "apply", "FILE")),
        "auth": (Suggestion("whoami"), Suggestion("help", "keys")),
        "check": (Suggestion("doctor"),),
        "close": (Suggestion("disconnect"),),
        "columns": (Suggestion("tables", "NAME"),),
        "configure": (Suggestion("help", "keys"),),
        "cost": (Suggestion("help", "costs"),),
        "databases": (Suggestion("tables"),),
        "deploy": (Suggestion("run", "CLUSTER"),),
        "desc": (Suggestion("tables", "NAME"),),
        "describe": (Suggestion("tables", "NAME"), Suggestion("cluster", "CLUSTER")),
        "destroy": (Suggestion("delete", "ENDPOINT_ID", "--yes"),),
        "diagnose": (Suggestion("doctor"),),
        "drop": (Suggestion("delete", "ENDPOINT_ID", "--yes"),),
        "exec": (_SELECT,),
        "execute": (_SELECT,),
        "import": (Suggestion("load", "FILE"),),
        "info": (Suggestion("status"),),
        "init": (Suggestion("sandbox", "start"), Suggestion("whoami")),
        "insert": (Suggestion("load", "FILE"),),
        "inspect": (Suggestion("tables", "NAME"),),
        "install": (Suggestion("help", "quickstart"),),
        "jdbc": (Suggestion("connection-string", "--with", "jdbc"),),
        "keys": (Suggestion("whoami"), Suggestion("help", "keys")),
        "list": (Suggestion("clusters"), Suggestion("endpoints"), Suggestion("tables")),
        "log": (Suggestion("history"),),
        "login": (Suggestion("connect"), Suggestion("whoami")),
        "logout": (Suggestion("disconnect"),),
        "logs": (Suggestion("history"),),
        "ls": (Suggestion("clusters"), Suggestion("endpoints"), Suggestion("tables")),
        "open": (Suggestion("connect"),),
        "ping": (Suggestion("doctor"),),
        "policy": (Suggestion("permissions"),),
        "preflight": (Suggestion("plan"),),
        "ps": (Suggestion("connections"),),
        "quit": (Suggestion("disconnect"),),
        "remove": (Suggestion("delete", "ENDPOINT_ID", "--yes"),),
        "rm": (Suggestion("delete", "ENDPOINT_ID", "--yes"),),
        "schema": (Suggestion("tables"),),
        "schemas": (Suggestion("tables"),),
        "select": (_SELECT,),
        "setup": (Suggestion("run", "CLUSTER"),),
        "show": (Suggestion("status"), Suggestion("tables")),
        "sql": (_SELECT,),
        "start": (Suggestion("sandbox", "start"), Suggestion("run", "CLUSTER")),
        "stop": (Suggestion("sandbox", "stop"), Suggestion("delete", "ENDPOINT_ID", "--yes")),
        "table": (Suggestion("tables", "NAME"),),
        "terraform": (Suggestion("export", "terraform"),),
        "test": (Suggestion("doctor"),),
        "up": (Suggestion("run", "CLUSTER"),),
        "upload": (Suggestion("load", "FILE"),),
        "use": (Suggestion("cluster", "CLUSTER"), Suggestion("connect", "--database", "NAME")),
        "user": (Suggestion("sql-user", "list"),),
        "users": (Suggestion("sql-user", "list"),),
        "version": (Suggestion("help", "versions"),),
        "vpc": (Suggestion("networks"),),
        "vpcs": (Suggestion("networks"),),
        "who": (Suggestion("whoami"),),
    }
)
"""A command of another tool, and the corresponding commands here, the most likely first."""

FLAGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "--ca-cert": ("--ca",),
        "--cacert": ("--ca",),
        "--client": ("--with",),
        "--cluster-id": ("--cluster",),
        "--cluster-name": ("--cluster",),
        "--count": ("--max-rows", "--limit"),
        "--db": ("--database",),
        "--dbname": ("--database",),
        "--endpoint-id": ("--endpoint",),
        "--file": ("--to", "--to-parquet"),
        "--format": ("--with", "--dtypes"),
        "--group": ("--security-group",),
        "--hostname": ("--host",),
        "--output-file": ("--to", "--to-parquet"),
        "--parquet": ("--to-parquet",),
        "--region-id": ("--region",),
        "--rows": ("--max-rows", "--limit"),
        "--schema": ("--database",),
        "--security-group-id": ("--security-group",),
        "--security-groups": ("--security-group",),
        "--sg": ("--security-group",),
        "--ssl": ("--tls",),
        "--ssl-ca": ("--ca",),
        "--ssl-mode": ("--tls",),
        "--subnet": ("--zone",),
        "--username": ("--user",),
        "--vpc-id": ("--vpc",),
        "--vswitch": ("--zone",),
        "--wait": ("--timeout",),
        "--zones": ("--zone",),
        "-D": ("--database",),
        "-d": ("--database",),
        "-f": ("--force",),
        "-n": ("--max-rows", "--limit"),
        "-u": ("--user",),
        "-y": ("--yes",),
    }
)
"""A flag of another tool, and its names here; the first that the operation has is suggested."""

HOST_ADVICE = "The host comes from the endpoint. Omit it, or examine the host by itself."
"""Advice on `--host` for an operation that has no such flag."""


def commands(name: str, known: Collection[str]) -> tuple[Suggestion, ...]:
    """Return the commands for a command of another tool, if they are `known` here."""
    meant = COMMANDS.get(name.lower(), ())
    return tuple(each for each in meant if each.operation == SQL or each.operation in known)


def flag(typed: str, known: Collection[str]) -> str:
    """Return the flag for one of another tool; empty if the operation has none of them."""
    return next((each for each in FLAGS.get(typed, ()) if each in known), "")
