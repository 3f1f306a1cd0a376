"""One certificate store for both clouds."""

from __future__ import annotations

import shutil
import ssl
from typing import TYPE_CHECKING

import pytest
from support.certificates import make_authority

from tidb_pe_magic.clouds import trust
from tidb_pe_magic.clouds.trust import VARIABLES, Trust
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path

    from support.certificates import Authority


def subjects(context: ssl.SSLContext) -> str:
    """Return the names of the authorities in a context."""
    return str([certificate["subject"] for certificate in context.get_ca_certs()])


@pytest.mark.parametrize("variable", [name for name in VARIABLES if name != "SSL_CERT_DIR"])
def test_any_variable_names_the_only_authorities(variable: str, authority: Authority) -> None:
    """The file named by one of the variables is the entire store, and is shown with the variable."""
    store = Trust.of({variable: str(authority.path)})
    context = store.context("httpx")
    assert authority.name in subjects(context)
    assert len(context.get_ca_certs()) == 1
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert str(store) == f"{variable}={authority.path}"


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_directory_of_authorities_is_read(variable: str, tmp_path: Path) -> None:
    """OpenSSL loads an authority from the directory on verification, and nothing is refused earlier."""
    assert Trust.of({variable: str(tmp_path)}).context("httpx").verify_mode == ssl.CERT_REQUIRED


def test_openssls_own_variables_come_first(authority: Authority, tmp_path: Path) -> None:
    """SSL_CERT_FILE combines with SSL_CERT_DIR, and wins over a bundle variable with a missing file."""
    environ = {
        "SSL_CERT_FILE": str(authority.path),
        "SSL_CERT_DIR": f"{tmp_path}:/no/such",
        "REQUESTS_CA_BUNDLE": "/no/such",
    }
    store = Trust.of(environ)
    assert authority.name in subjects(store.context("httpx"))
    assert [name for name, _ in store.named] == ["SSL_CERT_FILE", "SSL_CERT_DIR"]


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("path", ["/no/such/ca.pem", "/etc/passwd", "null\0character"])
def test_a_store_that_cannot_be_used_names_its_variable(variable: str, path: str) -> None:
    """A missing, wrong or empty store gives one line with the variable, without OpenSSL's traceback."""
    store = Trust.of({variable: path})
    with pytest.raises(InvalidRequest, match=variable) as caught:
        store.context("httpx")
    assert "unset it" in caught.value.advice


def test_a_file_that_was_written_again_is_another_store(authority: Authority, tmp_path: Path) -> None:
    """A rewritten store file replaces a client with the old authorities."""
    path = tmp_path / "ca.pem"
    shutil.copyfile(authority.path, path)
    before = Trust.of({"SSL_CERT_FILE": str(path)})
    assert before == Trust.of({"SSL_CERT_FILE": str(path)})
    assert authority.name in subjects(before.context("httpx"))
    shutil.copyfile(make_authority("another", tmp_path).path, path)
    after = Trust.of({"SSL_CERT_FILE": str(path)})
    assert after != before
    assert "another" in subjects(after.context("httpx"))
    path.write_text("other")
    with pytest.raises(InvalidRequest, match="SSL_CERT_FILE"):
        Trust.of({"SSL_CERT_FILE": str(path)}).context("httpx")


def test_the_store_is_read_once_for_each_library(authority: Authority, tmp_path: Path) -> None:
    """Clients of one library share a context until the store changes; no other library has it."""
    named = {"SSL_CERT_FILE": str(authority.path), "SSL_CERT_DIR": f"/no/such:{tmp_path}"}
    context = Trust.of(named).context("httpx")
    assert Trust.of(named).context("httpx") is context
    assert Trust.of(named).context("requests") is not context
    (tmp_path / "new.pem").write_text("")
    assert Trust.of(named).context("httpx") is not context


def test_a_machine_without_a_store_uses_certifis_list(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The system's store is used if it exists; a minimal container without one uses certifi's list."""
    monkeypatch.setattr(trust, "_system_bundle", lambda: "")
    store = Trust.of({})
    assert "certifi's list" in str(store)
    assert len(store.context("httpx").get_ca_certs()) > 20
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setattr(trust, "_system_bundle", lambda: str(bundle))
    assert str(store) == f"the system's store, {bundle}"


def test_macos_and_windows_verify_by_the_systems_own_means(monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS and Windows truststore's context is used, unless a variable names a store."""
    monkeypatch.setattr("sys.platform", "darwin")
    assert type(Trust.of({}).context("httpx")).__module__.startswith("truststore")
    assert str(Trust.of({})) == "the system's store"
