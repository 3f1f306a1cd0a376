"""Command lines, and files of variables."""

from __future__ import annotations

import re
import shlex

from tidb_pe_magic.clients.base import (
    PASSWORD,
    ClientFormat,
    ClientTarget,
    ClientText,
    ca_notes,
    chain_alone,
    dialed_name_warning,
    ssl_mode,
)
from tidb_pe_magic.errors import InvalidRequest

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,-]*")
_WHERE = f"The password is read from ${PASSWORD}."


def _command(program: str, target: ClientTarget, *tls: str) -> str:
    options = [f"--host={target.host}", f"--port={target.port}", f"--user={target.user}", *tls]
    if target.database:
        options.append(f"--database={target.database}")
    return f'MYSQL_PWD="${PASSWORD}" ' + shlex.join([program, *options])


def mysql(target: ClientTarget) -> ClientText:
    """Return the command of MySQL's client."""
    tls = [f"--ssl-mode={ssl_mode(target)}"]
    if target.encrypted:
        tls.append(f"--ssl-ca={target.ca_file}")
    # MySQL 9.0 Release Notes: the client loads this plugin from a file, which some packages omit.
    plugin = (
        "TiDB Cloud users log in with mysql_native_password. A MySQL 9 client needs it as a plugin; "
        "an 8.4 client has it built in."
    )
    debian = "If mysql is MariaDB's client, as on Debian, it rejects --ssl-mode. Use --with mariadb."
    return ClientText(
        _command("mysql", target, *tls),
        notes=(_WHERE, *ca_notes(target), plugin, debian),
        warnings=chain_alone("The mysql client", target),
    )


def mariadb(target: ClientTarget) -> ClientText:
    """Return the command of MariaDB's client, which cannot verify only the chain."""
    tls = ["--ssl-verify-server-cert", f"--ssl-ca={target.ca_file}"] if target.encrypted else ["--skip-ssl"]
    return ClientText(
        _command("mariadb", target, *tls),
        notes=(_WHERE, *ca_notes(target)),
        warnings=dialed_name_warning("The mariadb client", target),
    )


def env(target: ClientTarget) -> ClientText:
    """Return variables as a file that dotenv libraries and shells read in the same way."""
    values = {
        "TIDB_HOST": target.host,
        "TIDB_PORT": str(target.port),
        "TIDB_USER": target.user,
        "TIDB_DATABASE": target.database,
        "TIDB_TLS": target.tls.value,
        "TIDB_TLS_NAME": target.tls_name if target.encrypted else "",
        "TIDB_CA": target.ca if target.encrypted else "",
    }
    lines = [f"{name}={_env_value(name, value)}" for name, value in values.items() if value]
    return ClientText(
        "\n".join([*lines, f"{PASSWORD}="]),
        notes=(
            f"Set {PASSWORD}. Keep the file out of version control and unreadable for others.",
            "TIDB_TLS is off, verify-ca or verify-identity. The program that reads it has to apply it.",
        ),
    )


def _env_value(name: str, value: str) -> str:
    """Quote a value so that a shell, python-dotenv and Node's dotenv read the same.

    They agree on text in single quotes, except for backslashes and `${`, which some of them expand.
    """
    if _PLAIN.fullmatch(value):
        return value
    if "'" in value or "\\" in value or "${" in value:
        field = "--" + name.removeprefix("TIDB_").lower().replace("_", "-")
        raise InvalidRequest(
            field, "contains a quote, a backslash or ${, which readers of .env files interpret differently."
        )
    return f"'{value}'"


FORMATS = (
    ClientFormat("mysql", "MySQL command line", mysql),
    ClientFormat("mariadb", "MariaDB command line", mariadb),
    ClientFormat("env", "Variables (.env)", env),
)
