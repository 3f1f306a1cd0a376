"""Tools with configuration files in their own formats."""

from __future__ import annotations

import json

from tidb_pe_magic.clients.base import PASSWORD, ClientFormat, ClientTarget, ClientText, chain_alone
from tidb_pe_magic.clients.languages import jdbc_notes, jdbc_properties, jdbc_url
from tidb_pe_magic.errors import InvalidRequest


def dbeaver(target: ClientTarget) -> ClientText:
    """Return a connection of DBeaver's data-sources.json; the driver is MySQL Connector/J."""
    name = f"TiDB Cloud {target.database}".rstrip()
    configuration = {
        "host": target.host,
        "port": str(target.port),
        "database": target.database,
        "url": jdbc_url(target),
        "user": target.user,
        "auth-model": "native",
        "properties": jdbc_properties(target),
    }
    connection = {
        "provider": "mysql",
        "driver": "mysql8",
        "name": name,
        "save-password": False,
        "configuration": configuration,
    }
    return ClientText(
        json.dumps({"folders": {}, "connections": {"tidb-cloud": connection}}, indent=2, ensure_ascii=False),
        notes=(
            "As General/.dbeaver/data-sources-tidb.json in DBeaver's workspace; it asks for the password.",
            *jdbc_notes(target),
        ),
        warnings=chain_alone("Connector/J", target),
    )


def dbt(target: ClientTarget) -> ClientText:
    """Return a profile for dbt-tidb, which has no options for TLS."""
    values = {"server": target.host, "username": target.user, "schema": target.database}
    for name, value in values.items():
        if any(mark in value for mark in ("{{", "{%", "{#")):
            flag = {"username": "--user", "schema": "--database"}.get(name, name)
            raise InvalidRequest(flag, "contains text that dbt would expand as a template.")
    quoted = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
    lines = [
        "tidb_cloud:",
        "  target: dev",
        "  outputs:",
        "    dev:",
        "      type: tidb",
        f"      server: {quoted['server']}",
        f"      port: {target.port}",
        f"      schema: {quoted['schema']}",
        f"      username: {quoted['username']}",
        f"      password: \"{{{{ env_var('{PASSWORD}') }}}}\"",
    ]
    unverified = (
        "dbt-tidb has no options for TLS. Its driver encrypts if the server offers TLS, but verifies "
        "neither chain nor name."
    )
    return ClientText(
        "\n".join(lines),
        notes=(
            "pip install dbt-tidb; save as ~/.dbt/profiles.yml, with profile: tidb_cloud in dbt_project.yml.",
        ),
        warnings=(unverified,) if target.encrypted else (),
    )


FORMATS = (
    ClientFormat("dbeaver", "DBeaver", dbeaver),
    ClientFormat("dbt", "dbt", dbt, needs_database=True),
)
