"""Clients of other languages, downloaded once from their package registries into the environment."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from support.requirements import need, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CACHE = Path(sys.prefix) / "clients"
_SECONDS = 900.0  # Building the crates of one client takes a minute or two on an idle machine.
CONNECTOR_J = "com.mysql:mysql-connector-j:9.1.0"
MYSQL2 = "mysql2@^3"
PRISMA = ("prisma@^7", "@prisma/client@^7", "@prisma/adapter-mariadb@^7")
_PRISMA_SCHEMA = """\
generator client {
  provider = "prisma-client-js"
  output   = "generated/prisma"
}

datasource db {
  provider = "mysql"
}
"""
_CRATE = """\
[package]
name = "login"
edition = "2021"

[dependencies.sqlx]
version = "0.9"
default-features = false
features = ["mysql", "runtime-tokio", "tls-rustls-ring-native-roots"]

[dependencies]
tokio = { version = "1", features = ["rt"] }

[profile.dev]
debug = false
"""
GO_DRIVER = "github.com/go-sql-driver/mysql@v1.8.1"
HCL = "github.com/hashicorp/hcl/v2@v2.19.1"  # a release that Debian's Go can build

PLUGIN = "github.com/hashicorp/terraform-plugin-go@v0.26.0"


def _fetch(
    directory: Path,
    *commands: list[str],
    files: Iterable[Path] = (),
    texts: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Run the commands in a new directory with files and texts, which is saved only if all succeed."""
    if directory.is_dir():
        return directory
    partial = directory.with_name(f"{directory.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in files:
        shutil.copy(file, partial)
    for name, text in texts.items():
        (partial / name).parent.mkdir(exist_ok=True)
        (partial / name).write_text(text, encoding="utf-8")
    for command in commands:
        try:
            done = subprocess.run(
                command, cwd=partial, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            unavailable(f"the registry did not answer: {' '.join(command)}")
        if done.returncode != 0:
            unavailable(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    partial.rename(directory)
    return directory


@cache
def mysqlclient() -> Path:
    """Build mysqlclient against MariaDB's library, as Debian does, and return its import path."""
    need("mariadb_config", apt="libmariadb-dev")
    need("pkg-config", apt="pkg-config")
    need("gcc", apt="gcc")
    # A compiled module works with one Python version only.
    place = _CACHE / f"mysqlclient-{sysconfig.get_config_var('SOABI')}"
    # pip, not uv: pip reads the machine's index configuration.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return _fetch(place, [*pip, "--target", ".", "mysqlclient>=2.2"])


@cache
def mysql2() -> Path:
    """Install Node's mysql2 and return the directory of its node_modules."""
    need("node", apt="nodejs")
    npm = need("npm", apt="npm")
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", MYSQL2]
    return _fetch(_CACHE / "node", install)


@cache
def prisma() -> Path:
    """Install Prisma 7, generate its client, and return the directory of node_modules and generated."""
    need("node", apt="nodejs")
    npm = need("npm", apt="npm")
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", *PRISMA]
    # Prisma would download an engine for migrations that it does not run.
    engine = f"PRISMA_SCHEMA_ENGINE_BINARY={shutil.which('true')}"
    prepare = ["env", engine, "CHECKPOINT_DISABLE=1", "node_modules/.bin/prisma", "generate"]
    return _fetch(
        _CACHE / "prisma",
        install,
        [*prepare, "--schema", "schema.prisma"],
        texts={"package.json": "{}", "schema.prisma": _PRISMA_SCHEMA},
    )


@cache
def crate() -> Path:
    """Build the dependencies of a Rust program with sqlx, and return the crate's directory."""
    cargo = need("cargo", apt="cargo")
    need("gcc", apt="gcc")
    texts = {"Cargo.toml": _CRATE, "src/main.rs": "fn main() {}\n"}
    return _fetch(_CACHE / "rust", [cargo, "build", "--quiet"], texts=texts)


@cache
def connector_j() -> Path:
    """Download MySQL Connector/J and return the archive."""
    need("java", apt="default-jdk-headless")
    need("keytool", apt="default-jdk-headless")
    maven = need("mvn", apt="maven")
    copy = [maven, "-q", "-B", "dependency:copy", f"-Dartifact={CONNECTOR_J}", "-DoutputDirectory=."]
    return next(_fetch(_CACHE / "java", copy).glob("*.jar"))


@cache
def hcl_reader(source: Path) -> Path:
    """Build the Go program that reads HCL with Terraform's own parser, and return its path."""
    go = need("go", apt="golang-go")
    built = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    commands = (
        [go, "mod", "init", "reader"],
        [go, "get", HCL],
        [go, "mod", "tidy"],
        [go, "build", "-o", "reader"],
    )
    return _fetch(_CACHE / f"hcl-{built}", *commands, files=(source,)) / "reader"


@cache
def terraform_provider(source: Path) -> Path:
    """Build the Go program that is a Terraform provider, and return its directory."""
    go = need("go", apt="golang-go")
    built = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    commands = (
        [go, "mod", "init", "provider"],
        [go, "get", PLUGIN],
        [go, "mod", "tidy"],
        [go, "build", "-o", "terraform-provider-alicloud"],
    )
    return _fetch(_CACHE / f"terraform-{built}", *commands, files=(source,))


@cache
def go_module() -> Path:
    """Create a Go module that has the driver, and return its directory."""
    go = need("go", apt="golang-go")
    return _fetch(_CACHE / "go", [go, "mod", "init", "connect"], [go, "get", GO_DRIVER])
