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
    name_as_dialled,
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
    # MySQL 9.0 Release Notes: the client loads this plugin from a file, which some packages leave out.
    plugin = (
        "TiDB Cloud's users log in with mysql_native_password: a client of MySQL 9 needs it as a plugin, "
        "one of 8.4 has it built in."
    )
    debian = "Where mysql is MariaDB's client, as on Debian, it refuses --ssl-mode: use --with mariadb."
    return ClientText(
        _command("mysql", target, *tls),
        notes=(_WHERE, *ca_notes(target), plugin, debian),
        warnings=chain_alone("The mysql client", target),
    )


def mariadb(target: ClientTarget) -> ClientText:
    """Return the command of MariaDB's client, which has no mode that verifies the chain alone."""
    tls = ["--ssl-verify-server-cert", f"--ssl-ca={target.ca_file}"] if target.encrypted else ["--skip-ssl"]
    return ClientText(
        _command("mariadb", target, *tls),
        notes=(_WHERE, *ca_notes(target)),
        warnings=name_as_dialled("The mariadb client", target),
    )


def env(target: ClientTarget) -> ClientText:
    """Return variables as a file that dotenv libraries and shells read alike."""
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
            f"Fill {PASSWORD} in, and keep the file out of version control and unreadable for others.",
            "TIDB_TLS is off, verify-ca or verify-identity: what the program has to do that reads it.",
        ),
    )


def _env_value(name: str, value: str) -> str:
    """Quote a value so that a shell, python-dotenv and Node's dotenv read the same.

    They agree on what stands between single quotes, but for backslashes and `${`, which some expand there.
    """
    if _PLAIN.fullmatch(value):
        return value
    if "'" in value or "\\" in value or "${" in value:
        field = "--" + name.removeprefix("TIDB_").lower().replace("_", "-")
        raise InvalidRequest(
            field, "holds a quote, a backslash or ${, which readers of .env files take differently."
        )
    return f"'{value}'"


FORMATS = (
    ClientFormat("mysql", "MySQL command line", mysql),
    ClientFormat("mariadb", "MariaDB command line", mariadb),
    ClientFormat("env", "Variables (.env)", env),
)
