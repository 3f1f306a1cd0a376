"""Runs the text written for a client with that client, and returns the user that the server saw."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from clients import fetched
from support.requirements import need

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.clients.base import ClientText

QUERY = (
    "SELECT CURRENT_USER(), DATABASE(), (SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS "
    "WHERE VARIABLE_NAME = 'Ssl_cipher')"
)
_SECONDS = 120.0


@dataclass(frozen=True)
class Login:
    """A client's result: the answer to QUERY, or the reason for its absence."""

    answer: list[str] | None
    error: str

    @property
    def encrypted(self) -> bool:
        """Return whether the server saw a cipher."""
        assert self.answer is not None, self.error
        return bool(self.answer[2])


def _run(command: list[str], place: Path, password: str, **environment: str) -> Login:
    """Run a program that prints the answer as JSON or as tab-separated words."""
    done = subprocess.run(
        command,
        cwd=place,
        env=os.environ | {"TIDB_PASSWORD": password, "HOME": str(place)} | environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    shown = (done.stdout + done.stderr).strip()
    assert password not in shown
    if done.returncode != 0:
        return Login(None, shown)
    answer = done.stdout.strip("\n")
    return Login(json.loads(answer) if answer.startswith("[") else answer.split("\t"), "")


_DB_API = """
cursor = connection.cursor()
cursor.execute(QUERY)
answer = cursor.fetchone()
connection.close()
"""
_ENGINE = """
with engine.connect() as connection:
    answer = connection.exec_driver_sql(QUERY).fetchone()
engine.dispose()
"""
_DJANGO = """
import django
from django.conf import settings
from django.db import connection
settings.configure(DATABASES=DATABASES)
django.setup()
with connection.cursor() as cursor:
    cursor.execute(QUERY)
    answer = cursor.fetchone()
connection.close()
"""


def _python(rest: str) -> Callable[[ClientText, Path, str], Login]:
    def log_in(written: ClientText, place: Path, password: str) -> Login:
        program = f"import json\nQUERY = {QUERY!r}\n{written.text}\n{rest}\nprint(json.dumps(list(answer)))\n"
        (place / "program.py").write_text(program, encoding="utf-8")
        path = str(fetched.mysqlclient()) if "MySQLdb" in program or "django" in program else ""
        return _run([sys.executable, "program.py"], place, password, PYTHONPATH=path)

    return log_in


_JUPYSQL = """
import json
from types import SimpleNamespace
from sql.parse import connection_str_from_dsn_section
from sqlalchemy import create_engine
config = SimpleNamespace(dsn_filename="connections.ini")
engine = create_engine(connection_str_from_dsn_section("tidb", config))
"""


def _jupysql(written: ClientText, place: Path, password: str) -> Login:
    """Read the section as jupysql reads it, with the password from the option file that it names."""
    (place / "connections.ini").write_text(written.text, encoding="utf-8")
    (place / ".my.cnf").write_text(f"[client]\npassword={password}\n", encoding="utf-8")
    program = f"QUERY = {QUERY!r}\n{_JUPYSQL}{_ENGINE}print(json.dumps(list(answer)))\n"
    (place / "program.py").write_text(program, encoding="utf-8")
    return _run([sys.executable, "-W", "ignore", "program.py"], place, password)


def run_in_bash(command: str, place: Path, password: str) -> Login:
    """Run the query in bash with MySQL's or MariaDB's client."""
    line = f'{command} --batch --skip-column-names --execute="$QUERY"'
    return _run([need("bash", apt="bash"), "-c", line], place, password, QUERY=QUERY)


def _mariadb(written: ClientText, place: Path, password: str) -> Login:
    need("mariadb", apt="mariadb-client")
    return run_in_bash(written.text, place, password)


_NODE = """
open().then(async (connection) => {
  const [[row]] = await connection.query({ sql: process.env.QUERY, rowsAsArray: true });
  console.log(JSON.stringify(row));
  await connection.end();
}).catch((error) => { console.error(error.message); process.exit(1); });
"""


def _node(written: ClientText, place: Path, password: str) -> Login:
    modules = fetched.mysql2() / "node_modules"
    (place / "program.js").write_text(written.text + _NODE, encoding="utf-8")
    return _run(["node", "program.js"], place, password, QUERY=QUERY, NODE_PATH=str(modules))


_JAVA = """
public class Program {
    public static void main(String[] arguments) throws Exception {
        %s
        var rows = connection.createStatement().executeQuery(System.getenv("QUERY"));
        rows.next();
        var words = new java.io.PrintStream(System.out, true, "UTF-8");
        words.println(rows.getString(1) + "\\t" + rows.getString(2) + "\\t" + rows.getString(3));
        connection.close();
    }
}
"""


def make_store(written: ClientText) -> None:
    """Create the trust store by the commands in the note."""
    for note in written.notes:
        _, found, command = note.partition("Create it once: ")
        words = shlex.split(command)
        if found and not Path(words[words.index("-keystore") + 1]).exists():
            subprocess.run(words, check=True, capture_output=True)


def java(statement: str, place: Path, password: str) -> Login:
    """Run a Java statement that declares `connection`."""
    archive = fetched.connector_j()
    (place / "Program.java").write_text(_JAVA % statement, encoding="utf-8")
    return _run(
        ["java", "-XX:TieredStopAtLevel=1", "-cp", str(archive), "Program.java"],
        place,
        password,
        QUERY=QUERY,
    )


def _jdbc(written: ClientText, place: Path, password: str) -> Login:
    make_store(written)
    return java(written.text, place, password)


def _dbeaver(written: ClientText, place: Path, password: str) -> Login:
    """Connect as DBeaver does: with its driver, the URL and the connection's properties."""
    make_store(written)
    configuration: dict[str, Any] = json.loads(written.text)["connections"]["tidb-cloud"]["configuration"]
    properties = "".join(
        f"properties.setProperty({json.dumps(name)}, {json.dumps(value)});"
        for name, value in {**configuration["properties"], "user": configuration["user"]}.items()
    )
    statement = (
        f"var properties = new java.util.Properties();{properties}"
        'properties.setProperty("password", System.getenv("TIDB_PASSWORD"));'
        f"var url = {json.dumps(configuration['url'])};"
        "var connection = java.sql.DriverManager.getConnection(url, properties);"
    )
    return java(statement, place, password)


_GO = """
func main() {
	database, err := open()
	if err != nil {
		panic(err)
	}
	var user, name, cipher string
	if err := database.QueryRow(os.Getenv("QUERY")).Scan(&user, &name, &cipher); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString(user + "\\t" + name + "\\t" + cipher + "\\n")
}
"""


def _go(written: ClientText, place: Path, password: str) -> Login:
    module = fetched.go_module()
    source = place / "main.go"
    source.write_text("package main\n\n" + written.text + _GO, encoding="utf-8")
    build = ["go", "build", "-o", str(place / "program"), str(source)]
    subprocess.run(build, cwd=module, check=True, capture_output=True, timeout=_SECONDS * 3)
    return _run([str(place / "program")], place, password, QUERY=QUERY)


_PRISMA = """
try {
  const [row] = await prisma.$queryRawUnsafe(process.env.QUERY);
  console.log(JSON.stringify(Object.values(row)));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
await prisma.$disconnect();
"""


def _prisma(written: ClientText, place: Path, password: str) -> Login:
    """Run the module with the client that Prisma generated, with a timeout of four seconds instead of ten."""
    project = fetched.prisma()
    for name in ("node_modules", "generated"):
        if not (place / name).exists():
            (place / name).symlink_to(project / name)
    module = written.text.replace("/prisma/client", "/prisma/client.js")
    module = module.replace("PrismaMariaDb({", "PrismaMariaDb({ acquireTimeout: 4000,")
    (place / "program.mjs").write_text(module + _PRISMA, encoding="utf-8")
    return _run(["node", "program.mjs"], place, password, QUERY=QUERY)


_RUST = """
use sqlx::Row;

async fn log_in() -> Result<(), Box<dyn std::error::Error>> {
    %s
    let row = sqlx::query(%s).fetch_one(&pool).await?;
    let words: Vec<String> = (0..3).map(|index| row.try_get_unchecked(index)).collect::<Result<_, _>>()?;
    println!("{}", words.join("\\t"));
    Ok(())
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Err(error) = runtime.block_on(log_in()) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
"""


@cache
def _rust_program(statements: str) -> Path:
    """Build the program with the statements. It reads the URL from its environment."""
    crate = fetched.crate()
    (crate / "src" / "main.rs").write_text(_RUST % (statements, json.dumps(QUERY)), encoding="utf-8")
    command = ["cargo", "build", "--quiet", "--offline"]
    subprocess.run(command, cwd=crate, check=True, capture_output=True, timeout=_SECONDS * 3)
    return crate / "target" / "debug" / "login"


def _rust(written: ClientText, place: Path, password: str) -> Login:
    """Build the statements once, with the only literal (read as JSON) in a variable."""
    (literal,) = re.findall(r'^ +("mysql://.*")\.parse\(\)', written.text, re.MULTILINE)
    statements = written.text.replace(literal, 'std::env::var("URL")?')
    return _run([str(_rust_program(statements))], place, password, URL=json.loads(literal))


def _mysql(written: ClientText, place: Path, password: str) -> Login:
    program = shutil.which("mysql")
    version = [program, "--version"] if program else ["true"]
    shown = subprocess.run(version, capture_output=True, text=True, check=True).stdout
    if not shown or "MariaDB" in shown:  # as on Debian
        pytest.skip("MySQL's own client is not installed")
    return run_in_bash(written.text, place, password)


LOGINS: dict[str, Callable[[ClientText, Path, str], Login]] = {
    "mysql": _mysql,
    "mariadb": _mariadb,
    "pymysql": _python(_DB_API),
    "mysqlclient": _python(_DB_API),
    "mysql-connector": _python(_DB_API),
    "sqlalchemy": _python(_ENGINE),
    "django": _python(_DJANGO),
    "jupysql": _jupysql,
    "jdbc": _jdbc,
    "dbeaver": _dbeaver,
    "node": _node,
    "go": _go,
    "prisma": _prisma,
    "rust": _rust,
}
# Formats without a reader in the registries, or without TLS options.
NOT_RUN = {
    "env": "a file of variables, for any program",
    "prisma-6": "its engine is in no package registry",
    "dbt": "the driver alone is run: test_dbts_driver_verifies_nothing",
}
