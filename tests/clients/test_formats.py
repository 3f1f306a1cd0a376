"""A reader of each format gets back the values that were written."""

from __future__ import annotations

import ast
import configparser
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import dotenv
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from support.requirements import need

from tidb_pe_magic.clients.base import PASSWORD, ClientTarget, ca_notes, chain_alone
from tidb_pe_magic.clients.formats import FORMATS, write
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.model import TlsMode
from tidb_pe_magic.text import is_visible

if TYPE_CHECKING:
    from pathlib import Path

HOST = "ep-t4nabc123.epsrv-t4ndemo.ap-southeast-1.privatelink.aliyuncs.com"
GATEWAY = "gateway01.ap-southeast-1.prod.alicloud.tidbcloud.com"
CA = "/etc/our ca's/root%20.pem"
SECURED = ClientTarget(
    host=HOST, port=4000, user="3kXJ2.root", database="test", ca=CA, system_ca="/system.pem"
)
PLAIN = ClientTarget(host=HOST, port=4000, user="3kXJ2.root", database="test", tls=TlsMode.OFF)
# A name has at least one visible character and no surrounding spaces.
NAMES = st.text(min_size=1, max_size=12).filter(lambda text: is_visible(text) and text == text.strip() != "")
every_format = pytest.mark.parametrize("name", FORMATS)
_patient = settings(deadline=None, max_examples=60)


def named(user: str, database: str) -> ClientTarget:
    """Return a target with this user and database."""
    return ClientTarget(host=HOST, port=4000, user=user, database=database, ca=CA, system_ca="/system.pem")


def literals(code: str) -> dict[str, Any]:
    """Return the literal values that Python code assigns to arguments and keys, by name."""
    found: dict[str, Any] = {}

    def keep(name: str, value: ast.expr) -> None:
        if isinstance(value, ast.Constant):
            found[name.lower()] = value.value

    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.keyword) and node.arg:
            keep(node.arg, node.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant):
                    keep(str(key.value), value)
    return found


def quoted(line: str) -> str:
    """Return the text between the first and the last double quote of a line, read as JSON."""
    text = json.loads(line[line.index('"') : line.rindex('"') + 1])
    assert isinstance(text, str)
    return text


def url(text: str) -> dict[str, Any]:
    """Return a URL's parts, decoded."""
    parts = urlsplit(text)
    return {
        "scheme": parts.scheme,
        "user": unquote(parts.username or ""),
        "password": parts.password,
        "host": parts.hostname,
        "port": parts.port,
        "database": unquote(parts.path.removeprefix("/")),
        "query": {key: value for key, (value,) in parse_qs(parts.query, strict_parsing=True).items()}
        if parts.query
        else {},
    }


@pytest.mark.parametrize("name", ["pymysql", "mysqlclient", "mysql-connector", "sqlalchemy", "django"])
@_patient
@given(user=NAMES, database=NAMES)
def test_python_reads_its_own_strings(name: str, user: str, database: str) -> None:
    """Python's parser returns a name unchanged, whatever visible characters it has."""
    found = literals(write(name, named(user, database)).text)
    assert found.get("user", found.get("username")) == user
    assert found.get("database", found.get("name")) == database
    assert (found["host"], found["port"]) == (HOST, 4000)


@_patient
@given(user=NAMES, database=NAMES)
def test_prisma_6s_url_is_a_url(user: str, database: str) -> None:
    """Prisma 6's URL encodes the user, names a plain database, and leaves the password to a variable."""
    try:
        written = write("prisma-6", named(user, database)).text
    except InvalidRequest:
        assert quote(database, safe="") != database
        return
    read = dotenv.dotenv_values(stream=io.StringIO(written), interpolate=False)["DATABASE_URL"]
    assert url(read or "") == {
        "scheme": "mysql",
        "user": user,
        "password": "${TIDB_PASSWORD}",
        "host": HOST,
        "port": 4000,
        "database": database,
        "query": {"sslaccept": "strict", "sslcert": CA},
    }


@_patient
@given(user=NAMES, database=NAMES)
def test_prismas_module_holds_strings_of_javascript(user: str, database: str) -> None:
    """Each string of Prisma's module is JSON, which JavaScript reads alike.

    Every host gets the expected name.
    """
    lines = write("prisma", named(user, database)).text.splitlines()
    given = {line.split(":")[0].strip(): quoted(line) for line in lines if ': "' in line}
    assert given == {"host": HOST, "user": user, "database": database, "servername": HOST}
    assert f"ca: readFileSync({json.dumps(CA)})" in "\n".join(lines)


@_patient
@given(user=NAMES, database=NAMES)
def test_sqlx_url_is_a_url(user: str, database: str) -> None:
    """The URL for sqlx is a Rust string, equal to JSON for visible text, and contains no password."""
    line = write("rust", named(user, database)).text.splitlines()[1]
    read = url(quoted(line))
    assert (read["user"], read["database"], read["password"]) == (user, database, None)
    assert read["query"] == {"ssl-mode": "VERIFY_IDENTITY", "ssl-ca": CA}


@_patient
@given(user=NAMES, database=NAMES)
def test_javas_url_is_a_url(user: str, database: str) -> None:
    """Java's URL has the database and the trust store; the user is a separate property."""
    lines = write("jdbc", named(user, database)).text.splitlines()
    read = url(quoted(lines[1]).removeprefix("jdbc:"))
    assert (read["scheme"], read["host"], read["database"]) == ("mysql", HOST, database)
    assert read["query"]["sslMode"] == "VERIFY_IDENTITY"
    assert unquote(read["query"]["trustCertificateKeyStoreUrl"]) == f"file:{CA}.p12"
    assert quoted(lines[2]) == user


@_patient
@given(user=NAMES, database=NAMES)
def test_dbeaver_reads_json(user: str, database: str) -> None:
    """The connection is at the place that data-sources.json defines, without a password."""
    read = json.loads(write("dbeaver", named(user, database)).text)["connections"]["tidb-cloud"]
    assert (read["driver"], read["save-password"]) == ("mysql8", False)
    configuration = read["configuration"]
    assert (configuration["user"], configuration["database"]) == (user, database)
    assert "password" not in configuration
    assert configuration["properties"]["sslMode"] == "VERIFY_IDENTITY"


@_patient
@given(user=NAMES, database=NAMES)
def test_dbt_reads_yaml(user: str, database: str) -> None:
    """The dbt profile is YAML, and every value is unchanged after dbt has rendered it as a template."""
    try:
        written = write("dbt", named(user, database)).text
    except InvalidRequest:
        assert any(mark in user + database for mark in ("{{", "{%", "{#"))
        return
    environment = Environment(autoescape=False)  # noqa: S701 - as dbt does; this makes no HTML
    output = yaml.safe_load(written)["tidb_cloud"]["outputs"]["dev"]
    read = {
        key: environment.from_string(str(value)).render(env_var=lambda name: f"<{name}>")
        for key, value in output.items()
    }
    assert read == {
        "type": "tidb",
        "server": HOST,
        "port": "4000",
        "schema": database,
        "username": user,
        "password": f"<{PASSWORD}>",
    }


@_patient
@given(user=NAMES, database=NAMES)
def test_dotenv_reads_the_variables_as_a_shell_does(user: str, database: str) -> None:
    """Each dotenv value comes back unchanged, or is refused for a character that readers disagree on."""
    try:
        written = write("env", replace(named(user, database), ca="")).text
    except InvalidRequest:
        assert any(mark in user + database for mark in ("'", "\\", "${"))
        return
    read = dotenv.dotenv_values(stream=io.StringIO(written))
    assert (read["TIDB_USER"], read["TIDB_DATABASE"], read["TIDB_PASSWORD"]) == (user, database, "")


def test_a_shell_reads_the_variables(tmp_path: Path) -> None:
    """`. file` in a shell gives the original values."""
    at = ClientTarget(
        host=HOST, port=4000, user="p.o $x", database='a "b" é', tls_name=GATEWAY, ca="/a b.pem"
    )
    (tmp_path / "variables").write_text(write("env", at).text, encoding="utf-8")
    shown = '"$TIDB_USER|$TIDB_DATABASE|$TIDB_TLS|$TIDB_TLS_NAME|$TIDB_CA|$TIDB_PORT"'
    done = subprocess.run(
        ["sh", "-c", f". ./variables; printf %s {shown}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f'p.o $x|a "b" é|verify-identity|{GATEWAY}|/a b.pem|4000'


@_patient
@given(user=NAMES, database=NAMES)
def test_jupysqls_file_is_read_as_jupysql_reads_it(user: str, database: str) -> None:
    """Python's configparser with interpolation returns every value, and the file contains no password."""
    written = write("jupysql", ClientTarget(host=HOST, port=4000, user=user, database=database, ca=CA)).text
    reader = configparser.ConfigParser()
    reader.read_string(written)
    section = dict(reader.items("tidb"))
    assert (section["username"], section["database"]) == (user, database)
    assert "password" not in section
    assert ast.literal_eval(section["query"])["ssl_ca"] == CA


@pytest.mark.parametrize("name", ["mysql", "mariadb"])
@pytest.mark.parametrize("at", [SECURED, PLAIN], ids=["tls", "plain"])
def test_a_command_line_is_split_by_a_real_shell(name: str, at: ClientTarget, tmp_path: Path) -> None:
    """The program receives each option as one word, and the password through its variable."""
    stub = tmp_path / name
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$MYSQL_PWD" "$@"\n', encoding="utf-8")
    stub.chmod(0o755)
    odd = ClientTarget(**{**vars(at), "user": "p.o'brien $x", "database": 'd"b`é'})
    done = subprocess.run(
        [need("bash", apt="bash"), "-c", write(name, odd).text],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "TIDB_PASSWORD": "s3 cret"},
        capture_output=True,
        text=True,
        check=True,
    )
    password, *words = done.stdout.splitlines()
    assert password == "s3 cret"
    assert {f"--host={HOST}", "--port=4000", "--user=p.o'brien $x", '--database=d"b`é'} <= set(words)
    tls = {
        ("mysql", True): {"--ssl-mode=VERIFY_IDENTITY", f"--ssl-ca={CA}"},
        ("mysql", False): {"--ssl-mode=DISABLED"},
        ("mariadb", True): {"--ssl-verify-server-cert", f"--ssl-ca={CA}"},
        ("mariadb", False): {"--skip-ssl"},
    }
    assert {word for word in words if "ssl" in word} == tls[name, at.encrypted]


@every_format
@pytest.mark.parametrize("mode", [TlsMode.OFF, TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY])
def test_no_format_leaves_verification_out_in_silence(name: str, mode: TlsMode) -> None:
    """A format that cannot pass on a requested server name has a warning; the other formats have none."""
    at = ClientTarget(host=HOST, port=4000, user="u", database="d", tls=mode, system_ca="/system.pem")
    able = {"pymysql", "sqlalchemy", "go", "node", "prisma", "env"}
    other = ClientTarget(**{**vars(at), "tls_name": GATEWAY})
    chain = {"mariadb", "prisma-6", "mysqlclient", "django"} if mode == TlsMode.VERIFY_CA else set()
    never = {"dbt"} if mode != TlsMode.OFF else set()
    assert bool(write(name, at).warnings) == (name in chain | never)
    by_name = mode == TlsMode.VERIFY_IDENTITY
    assert bool(write(name, other).warnings) == (name not in able if by_name else name in chain | never)


@every_format
def test_without_a_ca_file_the_systems_is_used(name: str) -> None:
    """A client that needs a CA file gets the system's file, with a note. The others find it themselves."""
    at = ClientTarget(host=HOST, port=4000, user="u", database="d", system_ca="/system.pem")
    written = write(name, at)
    assert ("/system.pem" in written.text) == (ca_notes(at)[0] in written.notes)
    assert CA not in written.text


@every_format
def test_the_password_is_looked_up(name: str) -> None:
    """Every text names the password variable, except those that prompt or read an option file."""
    assert (PASSWORD in write(name, SECURED if name != "env" else PLAIN).text) == (
        name not in {"dbeaver", "jupysql"}
    )


@every_format
def test_without_a_database_there_is_none_or_a_reason(name: str) -> None:
    """A format that requires a database says so; the others omit it."""
    at = ClientTarget(host=HOST, port=4000, user="u", system_ca="/system.pem")
    if FORMATS[name].needs_database:
        with pytest.raises(InvalidRequest, match=r"--database: is required by .+\."):
            write(name, at)
    else:
        assert not re.search(r"(?i)(database|dbname)['\"]?\s*[:=]\s*['\"]?\w", write(name, at).text)


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[2Jb", "a\u202eb", "tab\there"])
def test_an_invisible_name_is_refused(text: str) -> None:
    """A name with invisible characters is refused, and the message names its flag."""
    with pytest.raises(InvalidRequest, match="--database: contains an invisible character"):
        ClientTarget(host=HOST, port=4000, user="u", database=text)


def test_an_address_of_version_6_is_in_brackets() -> None:
    """An IPv6 address is bracketed, so that its colons do not look like a port."""
    at = ClientTarget(host="2001:db8::7", port=4000, user="u", database="d", tls=TlsMode.OFF)
    assert '"[2001:db8::7]:4000"' in write("go", at).text
    assert "mysql://[2001:db8::7]:4000/d" in write("jdbc", at).text


@pytest.mark.parametrize("at", [SECURED, PLAIN], ids=["tls", "plain"])
@pytest.mark.parametrize("mode", [TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY])
def test_the_go_function_is_formatted_as_go_wants_it(at: ClientTarget, mode: TlsMode) -> None:
    """Gofmt parses the Go function and would change nothing."""
    gofmt = shutil.which("gofmt") or need("gofmt", apt="golang-go")
    shown = ClientTarget(**{**vars(at), "tls": mode if at.encrypted else at.tls})
    source = f"package main\n\n{write('go', shown).text}\n"
    done = subprocess.run([gofmt], input=source, capture_output=True, text=True, check=True)
    assert done.stdout == source


def test_the_warning_names_the_name() -> None:
    """The warning states the name that the client cannot verify, and the clients that can."""
    (warning,) = chain_alone("X", ClientTarget(host=HOST, port=1, user="u", tls_name=GATEWAY))
    assert GATEWAY in warning
    assert "PyMySQL" in warning
