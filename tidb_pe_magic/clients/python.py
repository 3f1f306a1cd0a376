"""Python: drivers, SQLAlchemy, Django, and jupysql's own file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.clients.base import (
    PASSWORD,
    ClientFormat,
    ClientTarget,
    ClientText,
    ca_notes,
    chain_alone,
    ssl_mode,
)
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.model import TlsMode

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECRET = f'os.environ["{PASSWORD}"]'
# PyMySQL would encode a string as Latin-1; the server compares UTF-8.
_SECRET_BYTES = f"{_SECRET}.encode()"


def _call(name: str, arguments: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{name}(", *(f"    {key}={value}," for key, value in arguments), ")"]


def _place(target: ClientTarget) -> list[tuple[str, str]]:
    return [("host", repr(target.host)), ("port", str(target.port)), ("user", repr(target.user))]


def _database(target: ClientTarget) -> list[tuple[str, str]]:
    return [("database", repr(target.database))] if target.database else []


def _context(target: ClientTarget) -> list[str]:
    """Return the lines that create `context`; PyMySQL verifies only what an SSLContext requires."""
    ca = f"cafile={target.ca!r}" if target.ca else ""
    if target.by_other_name:
        return [
            "class NamedContext(ssl.SSLContext):",
            '    """Expects another name in the certificate than the host\'s."""',
            "",
            "    def wrap_socket(self, sock, **options):",
            f'        options["server_hostname"] = {target.tls_name!r}',
            "        return super().wrap_socket(sock, **options)",
            "",
            "",
            "context = NamedContext(ssl.PROTOCOL_TLS_CLIENT)",
            f"context.load_verify_locations({ca})" if ca else "context.load_default_certs()",
        ]
    lines = [f"context = ssl.create_default_context({ca})"]
    if target.tls == TlsMode.VERIFY_CA:
        lines.append("context.check_hostname = False")
    return lines


def _pymysql_tls(target: ClientTarget) -> tuple[list[str], str, str]:
    """Return the lines before the call, and the name and value of the TLS argument."""
    if not target.encrypted:
        return [], "ssl_disabled", "True"
    return [*_context(target), ""], "ssl", "context"


def pymysql(target: ClientTarget) -> ClientText:
    """Return the call of PyMySQL."""
    before, name, value = _pymysql_tls(target)
    imports = ["import os", *(["import ssl"] if target.encrypted else []), "", "import pymysql", ""]
    password = [("password", _SECRET_BYTES)]
    call = _call(
        "connection = pymysql.connect",
        [*_place(target), *password, *_database(target), ("charset", "'utf8mb4'"), (name, value)],
    )
    return ClientText("\n".join([*imports, *before, *call]))


def sqlalchemy(target: ClientTarget) -> ClientText:
    """Return SQLAlchemy's engine over PyMySQL; the password is not in the URL."""
    before, name, value = _pymysql_tls(target)
    imports = ["import os", *(["import ssl"] if target.encrypted else []), ""]
    url = [
        ("username", repr(target.user)),
        ("host", repr(target.host)),
        ("port", str(target.port)),
        *_database(target),
        ("query", "{'charset': 'utf8mb4'}"),
    ]
    engine = [
        "engine = create_engine(",
        "    url,",
        f"    connect_args={{'password': {_SECRET_BYTES}, '{name}': {value}}},",
        "    pool_pre_ping=True,",
        ")",
    ]
    lines = [
        *imports,
        "from sqlalchemy import URL, create_engine",
        "",
        *before,
        "url = URL.create(",
        "    'mysql+pymysql',",
        *_call("", url)[1:],
        *engine,
    ]
    return ClientText("\n".join(lines), notes=("pip install sqlalchemy pymysql",))


def mysqlclient(target: ClientTarget) -> ClientText:
    """Return the call of mysqlclient (MySQLdb)."""
    tls = [("ssl_mode", repr(ssl_mode(target)))]
    if target.encrypted:
        tls.append(("ssl", f"{{'ca': {target.ca_file!r}}}"))
    call = _call(
        "connection = MySQLdb.connect",
        [*_place(target), ("password", _SECRET), *_database(target), ("charset", "'utf8mb4'"), *tls],
    )
    notes, warnings = _mysqlclient_words(target)
    return ClientText("\n".join(["import os", "", "import MySQLdb", "", *call]), notes, warnings)


def _mysqlclient_words(target: ClientTarget) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return notes and warnings; verification depends on the C library that it was built with."""
    if not target.encrypted or target.by_host:
        return ca_notes(target), ()
    built = (
        "If it was built with MariaDB's library instead of MySQL's, as on Debian, it also verifies the host "
        "name and rejects a certificate for another name."
    )
    return ca_notes(target), (*chain_alone("mysqlclient", target), built)


def mysql_connector(target: ClientTarget) -> ClientText:
    """Return the call of MySQL Connector/Python."""
    if target.encrypted:
        tls = [
            ("ssl_ca", repr(target.ca_file)),
            ("ssl_verify_cert", "True"),
            ("ssl_verify_identity", str(target.by_host)),
        ]
    else:
        tls = [("ssl_disabled", "True")]
    call = _call(
        "connection = mysql.connector.connect",
        [*_place(target), ("password", _SECRET), *_database(target), *tls],
    )
    return ClientText(
        "\n".join(["import os", "", "import mysql.connector", "", *call]),
        notes=("pip install mysql-connector-python", *ca_notes(target)),
        warnings=chain_alone("MySQL Connector/Python", target),
    )


def django(target: ClientTarget) -> ClientText:
    """Return Django's setting DATABASES, over mysqlclient."""
    options = [f"            'ssl_mode': {ssl_mode(target)!r},"]
    if target.encrypted:
        options.append(f"            'ssl': {{'ca': {target.ca_file!r}}},")
    lines = [
        "import os",
        "",
        "DATABASES = {",
        "    'default': {",
        "        'ENGINE': 'django.db.backends.mysql',",
        f"        'HOST': {target.host!r},",
        f"        'PORT': {target.port},",
        f"        'USER': {target.user!r},",
        f"        'PASSWORD': {_SECRET},",
        f"        'NAME': {target.database!r},",
        "        'OPTIONS': {",
        "            'charset': 'utf8mb4',",
        *options,
        "        },",
        "    },",
        "}",
    ]
    notes, warnings = _mysqlclient_words(target)
    install = "pip install django mysqlclient; with PingCAP's django-tidb, set ENGINE to django_tidb."
    return ClientText("\n".join(lines), (install, *notes), warnings)


def jupysql(target: ClientTarget) -> ClientText:
    """Return a section of jupysql's connections.ini; PyMySQL takes the password from an option file."""
    query = {"charset": "utf8mb4", "read_default_file": "~/.my.cnf"}
    if target.encrypted:
        # SQLAlchemy's names: with a CA, the chain is verified; PyMySQL's ssl_verify_cert would drop the CA.
        query["ssl_ca"] = target.ca_file
        query["ssl_check_hostname"] = "true" if target.by_host else "false"
    else:
        query["ssl_disabled"] = "true"
    values = {
        "drivername": "mysql+pymysql",
        "host": target.host,
        "port": str(target.port),
        "username": target.user,
        "database": target.database,
        "query": repr(query),
    }
    for name in ("username", "database"):
        if values[name] != values[name].strip():
            raise InvalidRequest(
                f"--{name.removesuffix('name')}", "begins or ends with a space, which this file format drops."
            )
    # The reader expands %(name)s.
    lines = [f"{name} = {value.replace('%', '%%')}" for name, value in values.items() if value]
    return ClientText(
        "\n".join(["[tidb]", *lines]),
        notes=(
            "Add it to ~/.jupysql/connections.ini, then: %sql --section tidb",
            "Put the password in ~/.my.cnf, readable only by you: a line [client], then password=…",
            *ca_notes(target),
        ),
        warnings=chain_alone("PyMySQL, configured by a URL,", target),
    )


FORMATS = (
    ClientFormat("pymysql", "PyMySQL", pymysql),
    ClientFormat("mysqlclient", "mysqlclient", mysqlclient),
    ClientFormat("mysql-connector", "MySQL Connector/Python", mysql_connector),
    ClientFormat("sqlalchemy", "SQLAlchemy", sqlalchemy),
    ClientFormat("django", "Django", django, needs_database=True),
    ClientFormat("jupysql", "jupysql's connections.ini", jupysql),
)
