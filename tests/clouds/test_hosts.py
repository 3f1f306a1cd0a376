"""API hosts from the environment: a key is only sent to a plain, safe URL."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.clouds import hosts
from tidb_pe_magic.clouds.hosts import is_loopback, override, overrides
from tidb_pe_magic.errors import InvalidRequest

NAME = hosts.TIDB_CLOUD


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_host_may_be_replaced(typed: str, used: str) -> None:
    """Any https host, and plain http on this machine, is used without a trailing slash."""
    assert override({NAME: typed}, NAME) == used


@pytest.mark.parametrize("environ", [{}, {NAME: ""}, {NAME: "/"}])
def test_an_unset_variable_replaces_nothing(environ: dict[str, str]) -> None:
    """An unset or empty variable means the cloud's own host."""
    assert override(environ, NAME) == ""


@pytest.mark.parametrize(
    "typed",
    [
        "api.example.com",
        "ftp://api.example.com",
        "https://",
        "https://:443",
        "https://api.example.com/v1",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        "https://api.example.com:port",
        "https://api.example.com:99999",
        "https://[::1",
        "javascript:alert(1)",
    ],
)
def test_an_invalid_host_url_is_refused(typed: str) -> None:
    """A wrong scheme, a path, a query, a fragment or an invalid port is refused with the variable's name."""
    with pytest.raises(InvalidRequest, match="without a path") as caught:
        override({NAME: typed}, NAME)
    assert caught.value.field == NAME


@pytest.mark.parametrize(
    "typed",
    [
        "https://api.example.com?",
        "https://api.example.com#",
        "https://api.exa mple.com",
        " https://api.example.com",
        "https://api.example.com\n",
        "https://api.exa\tmple.com",
    ],
)
def test_an_ambiguous_url_is_refused(typed: str) -> None:
    """An empty query or fragment, spaces and line breaks are refused, because parsers disagree on them."""
    with pytest.raises(InvalidRequest):
        override({NAME: typed}, NAME)


@pytest.mark.parametrize("typed", ["https://user@api.example.com", "https://user:hunter2@api.example.com"])
def test_a_host_with_user_information_is_refused(typed: str) -> None:
    """A host with user information is refused without repeating its password."""
    with pytest.raises(InvalidRequest, match="user name or a password") as caught:
        override({NAME: typed}, NAME)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "api.example.com",
        "10.0.0.1",
        "0.0.0.0",  # noqa: S104 - nothing is bound to it
        "127.0.0.1.example.com",
        "localhost.example.com",
        "[::]",
    ],
)
def test_plain_http_is_for_this_machine_only(host: str) -> None:
    """Plain http is refused for a host that only resembles this machine, and the host is named."""
    with pytest.raises(InvalidRequest, match="plain http is allowed only for this machine"):
        override({NAME: f"http://{host}:8080"}, NAME)


@given(st.one_of(st.text(), st.text().map(lambda tail: f"https://{tail}"), st.from_regex(r"https?://.*")))
def test_any_text_is_one_host_or_invalid_input(typed: str) -> None:
    """Every text is invalid input, or a URL that the HTTP client reads in the same way."""
    try:
        used = override({NAME: typed}, NAME)
    except InvalidRequest:
        return
    if used:
        split, read = urlsplit(used), httpx.URL(used + "/v1beta1")
        assert read.scheme == split.scheme
        assert read.path == "/v1beta1"
        assert (read.query, read.fragment, read.userinfo) == (b"", "", b"")
        assert split.scheme == "https" or is_loopback(read.host)


def test_every_replaced_host_is_named_once() -> None:
    """A sandbox that serves everything on one port is named once, in the order of the variables."""
    environ = {
        hosts.METADATA: "http://127.0.0.1:2",
        hosts.TIDB_CLOUD: "http://127.0.0.1:1",
        hosts.ALIBABA: "http://127.0.0.1:2",
    }
    assert overrides(environ) == ("http://127.0.0.1:1", "http://127.0.0.1:2")
    assert overrides({}) == ()


@pytest.mark.parametrize("variable", [hosts.TIDB_CLOUD, hosts.TIDB_CLOUD_IAM, hosts.ALIBABA, hosts.METADATA])
def test_each_variable_is_checked(variable: str) -> None:
    """Every variable is checked, and the error names the invalid one."""
    with pytest.raises(InvalidRequest) as caught:
        overrides({variable: "http://api.example.com"})
    assert caught.value.field == variable


@given(st.ip_addresses())
def test_an_address_is_this_machine_where_it_is_loopback(address: object) -> None:
    """Only 127.0.0.0/8 and ::1 are this machine."""
    text = str(address)
    assert is_loopback(text) == (text.startswith("127.") or text == "::1")
