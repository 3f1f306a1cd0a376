"""Drivers of other languages bind parameters in the embedded database as they do in TiDB."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from clients import fetched

from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "2vKmPqRsTuWxYzA.root", "a-secret"
_SECONDS = 300
_NODE = """
const mysql = require("mysql2/promise");
(async () => {
  const [host, port, user, password] = process.argv.slice(2);
  const c = await mysql.createConnection({host, port, user, password, database: "test"});
  const said = [];
  let [rows] = await c.execute("SELECT name FROM nycflights13.airlines WHERE carrier = ?", ["UA"]);
  said.push(rows[0].name);
  await c.execute("CREATE TABLE node (a INT, b VARCHAR(9), c BLOB)");
  const values = [1, "it's é", Buffer.from([0, 255, 39]), 2, null, null];
  [rows] = await c.execute("INSERT INTO node VALUES (?, ?, ?), (?, ?, ?)", values);
  said.push(rows.affectedRows);
  [rows] = await c.execute("SELECT b, HEX(c) AS c FROM node WHERE a IN (?, ?) ORDER BY a", [1, 2]);
  said.push(rows);
  try { await c.execute("SELECT a FROM node LIMIT ?", [1]); } catch (error) { said.push(error.errno); }
  await c.execute("DROP TABLE node");
  console.log(JSON.stringify(said));
  await c.end();
})().catch((error) => { console.error(error); process.exit(1); });
"""
_GO = """
package main

import (
	"database/sql"
	"encoding/json"
	"os"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

func must(err error) {
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
}

func main() {
	db, err := sql.Open("mysql", os.Args[1])
	must(err)
	var name, text, exact string
	var big uint64
	var raw []byte
	var at time.Time
	var count int
	must(db.QueryRow("SELECT name FROM nycflights13.airlines WHERE carrier = ?", "UA").Scan(&name))
	_, err = db.Exec("CREATE TABLE go_ (a BIGINT UNSIGNED, b TEXT, c BLOB, d DATETIME(6), e DECIMAL(9,2))")
	must(err)
	moment := time.Date(2013, 1, 2, 3, 4, 5, 678000, time.UTC)
	insert := "INSERT INTO go_ VALUES (?, ?, ?, ?, ?)"
	_, err = db.Exec(insert, uint64(1<<63+5), "it's", []byte{0, 255}, moment, "1.50")
	must(err)
	row := db.QueryRow("SELECT a, b, c, d, e FROM go_ WHERE a > ?", 1)
	must(row.Scan(&big, &text, &raw, &at, &exact))
	tx, err := db.Begin()
	must(err)
	_, err = tx.Exec("DELETE FROM go_ WHERE a > ?", 0)
	must(err)
	must(tx.Rollback())
	must(db.QueryRow("SELECT COUNT(*) FROM go_ WHERE ? = ?", 1, 1).Scan(&count))
	_, err = db.Exec("DROP TABLE go_")
	must(err)
	said := []any{name, big == 1<<63+5, text, raw, at.Equal(moment), exact, count}
	must(json.NewEncoder(os.Stdout).Encode(said))
}
"""
_RUST = """
use sqlx::{Connection, MySqlConnection, Row};

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut db = MySqlConnection::connect(&std::env::var("URL")?).await?;
    let named = "SELECT name FROM nycflights13.airlines WHERE carrier = ?";
    let name: String = sqlx::query_scalar(named).bind("UA").fetch_one(&mut db).await?;
    sqlx::query("CREATE TABLE rust (a BIGINT UNSIGNED, b TEXT, c BLOB, d DOUBLE)").execute(&mut db).await?;
    let insert = "INSERT INTO rust VALUES (?, ?, ?, ?), (?, ?, ?, ?)";
    let done = sqlx::query(insert)
        .bind((1u64 << 63) + 5).bind("it's é").bind(vec![0u8, 255, 39]).bind(0.1f64)
        .bind(2i32).bind(None::<String>).bind(None::<Vec<u8>>).bind(None::<f64>)
        .execute(&mut db).await?;
    let select = "SELECT a, b, c, d FROM rust WHERE a > ? ORDER BY a";
    let rows = sqlx::query(select).bind(0i64).fetch_all(&mut db).await?;
    let mut said = vec![name, done.rows_affected().to_string()];
    for row in rows {
        let (a, b, c, d): (u64, Option<String>, Option<Vec<u8>>, Option<f64>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        said.push(format!("{a} {b:?} {c:?} {d:?}"));
    }
    let mut transaction = db.begin().await?;
    sqlx::query("DELETE FROM rust WHERE a > ?").bind(0).execute(&mut *transaction).await?;
    transaction.rollback().await?;
    let count = "SELECT COUNT(*) FROM rust WHERE ? = ?";
    let left: i64 = sqlx::query_scalar(count).bind(1).bind(1).fetch_one(&mut db).await?;
    said.push(left.to_string());
    let refused = sqlx::query("SELECT a FROM rust WHERE nowhere = ?").bind(1).execute(&mut db).await;
    said.push(refused.unwrap_err().into_database_error().unwrap().code().unwrap().to_string());
    sqlx::query("DROP TABLE rust").execute(&mut db).await?;
    println!("{said:?}");
    Ok(())
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Err(error) = runtime.block_on(run()) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
"""


@pytest.fixture(scope="module")
def database() -> Iterator[FlightsDatabase]:
    """Provide a database with few flights."""
    with FlightsDatabase(users=lambda _client: {USER: PASSWORD}, flights=10) as database:
        yield database


def _said(*command: str, **environment: str) -> Any:
    done = subprocess.run(
        command,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_mysql2_executes_prepared_statements(database: FlightsDatabase, tmp_path: Path) -> None:
    """Node's `execute` binds texts, bytes and NULL; a DOUBLE for LIMIT is refused as by TiDB."""
    modules = fetched.mysql2() / "node_modules"
    (tmp_path / "program.js").write_text(_NODE, encoding="utf-8")
    host, port = database.address
    program = str(tmp_path / "program.js")
    said = _said("node", program, host, str(port), USER, PASSWORD, NODE_PATH=str(modules))
    rows = [{"b": "it's é", "c": "00FF27"}, {"b": None, "c": None}]
    assert said == ["United Air Lines Inc.", 2, rows, 1210]


def test_gos_driver_binds_arguments(database: FlightsDatabase, tmp_path: Path) -> None:
    """`database/sql` binds unsigned integers, bytes, times and decimals, also within transactions."""
    module = fetched.go_module()
    (tmp_path / "main.go").write_text(_GO, encoding="utf-8")
    program = str(tmp_path / "program")
    build = ["go", "build", "-o", program, str(tmp_path / "main.go")]
    subprocess.run(build, cwd=module, check=True, capture_output=True, timeout=_SECONDS)
    host, port = database.address
    said = _said(program, f"{USER}:{PASSWORD}@tcp({host}:{port})/test?parseTime=true")
    assert said == ["United Air Lines Inc.", True, "it's", "AP8=", True, "1.50", 1]


@pytest.mark.foreign
def test_sqlx_prepares_every_query(database: FlightsDatabase) -> None:
    """Rust's sqlx binds unsigned integers, texts, bytes, floats and NULL, and sees an error's SQLSTATE."""
    crate = fetched.crate()
    (crate / "src" / "bin").mkdir(exist_ok=True)
    (crate / "src" / "bin" / "values.rs").write_text(_RUST, encoding="utf-8")
    build = ["cargo", "build", "--quiet", "--offline", "--bin", "values"]
    built = subprocess.run(build, cwd=crate, check=False, capture_output=True, text=True, timeout=_SECONDS)
    assert built.returncode == 0, built.stderr
    host, port = database.address
    url = f"mysql://{USER}:{PASSWORD}@{host}:{port}/test?ssl-mode=DISABLED"
    said = _said(str(crate / "target" / "debug" / "values"), URL=url)
    rows = ["2 None None None", f'{2**63 + 5} Some("it\'s é") Some([0, 255, 39]) Some(0.1)']
    assert said == ["United Air Lines Inc.", "2", *rows, "2", "42S22"]
