"""The proxy variables are read in one way for both clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.clouds.proxies import Exemption, Proxies, without_password
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    import ipaddress

CLOUD = "https://privatelink.ap-southeast-1.aliyuncs.com"
PROXY = "http://proxy:3128"


def through(url: str = CLOUD, **environ: str) -> str:
    """Return the proxy for `url` in this environment."""
    return Proxies.of(environ).proxy(url)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY}, PROXY),
        ({"ALL_PROXY": PROXY}, PROXY),
        ({"all_proxy": "proxy:3128"}, PROXY),
        ({"HTTPS_PROXY": PROXY, "ALL_PROXY": "http://other"}, PROXY),
        ({"HTTPS_PROXY": "http://other", "https_proxy": PROXY}, PROXY),
        ({"HTTPS_PROXY": PROXY, "https_proxy": ""}, ""),
        ({"HTTP_PROXY": PROXY}, ""),
    ],
)
def test_the_variable_that_counts(environ: dict[str, str], expected: str) -> None:
    """Lower case comes first, the scheme's own variable before ALL_PROXY, and an empty one means none."""
    assert through(**environ) == expected


@pytest.mark.parametrize(
    ("entry", "url", "exempt"),
    [
        ("*", CLOUD, True),
        (".aliyuncs.com", CLOUD, True),
        ("*.aliyuncs.com", CLOUD, True),
        ("aliyuncs.com", CLOUD, True),
        ("ALIYUNCS.COM", CLOUD, True),
        ("yuncs.com", CLOUD, False),
        ("privatelink.ap-southeast-1.aliyuncs.com:443", CLOUD, True),
        ("aliyuncs.com:8443", CLOUD, False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.1.2.3", "https://10.1.2.3:4433", True),
        ("10.1.2.3:443", "https://10.1.2.3:4433", False),
        ("fd07:b51a:cc66:f0::/64", "https://[fd07:b51a:cc66:f0::9]", True),
        ("fd07:b51a:cc66:f0::/64", "https://[fd08::9]", False),
        ("[fd07::9]", "https://[fd07::9]", True),
        ("[fd07::9]:443", "https://[fd07::9]", True),
        ("[fd07::9]:444", "https://[fd07::9]", False),
        ("::1", CLOUD, False),
        ("[::1]", CLOUD, False),
        ("fe80::/10", CLOUD, False),
    ],
)
def test_an_entry_of_no_proxy(entry: str, url: str, exempt: bool) -> None:  # noqa: FBT001 - the expectation
    """A NO_PROXY entry is a name with its subdomains, an address or a network, with or without a port."""
    proxies = Proxies.of({"ALL_PROXY": PROXY, "NO_PROXY": f"other.example, {entry}"})
    assert (proxies.proxy(url) == "") is exempt
    assert proxies.skipped == ()


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/99", "fd07::zz/64", "a b/c", "http://x.example", "x:y", "[::1", "a..b"]
)
def test_an_entry_that_cannot_be_read_is_skipped_and_named(entry: str) -> None:
    """An unreadable NO_PROXY entry is skipped and named; the other entries apply."""
    proxies = Proxies.of({"HTTPS_PROXY": PROXY, "NO_PROXY": f"{entry},.example.com"})
    assert set(proxies.skipped) <= set(entry.split())
    assert proxies.skipped
    assert proxies.proxy(CLOUD) == PROXY
    assert proxies.proxy("https://a.example.com") == ""


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30), max_size=6))
def test_no_value_of_no_proxy_is_fatal(entries: list[str]) -> None:
    """Whatever NO_PROXY contains, the lookup succeeds, and each entry is either read or named."""
    proxies = Proxies.of({"HTTPS_PROXY": PROXY, "NO_PROXY": ",".join(entries)})
    assert proxies.proxy(CLOUD) in {"", PROXY}
    assert (
        len(proxies.exemptions) + len(proxies.skipped) <= sum(len(entry.split()) + 1 for entry in entries) * 9
    )


@given(st.ip_addresses(v=6), st.integers(1, 128))
def test_a_network_of_ipv6_covers_its_addresses(address: ipaddress.IPv6Address, length: int) -> None:
    """An IPv6 network covers its addresses, bracketed or not."""
    for entry in (f"{address}/{length}", f"[{address}]/{length}", f"[{address}]"):
        exemption = Exemption.parse(entry)
        assert exemption is not None
        assert exemption.covers(str(address), 443)


def test_this_machine_and_its_metadata_are_never_behind_a_proxy() -> None:
    """Loopback and the metadata service never go through a proxy, which would answer for itself."""
    for url in ("http://127.0.0.1:8080", "http://localhost", "http://[::1]:1", "http://100.100.100.200"):
        assert through(url, HTTP_PROXY=PROXY, HTTPS_PROXY=PROXY, ALL_PROXY=PROXY) == ""


@pytest.mark.parametrize("proxy", ["gopher://127.0.0.1:1", "http://127.0.0.1:port", "http://", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_an_error_where_it_is_needed(proxy: str) -> None:
    """An invalid proxy is an error only for hosts that need it, and the error names the variable."""
    proxies = Proxies.of({"all_proxy": proxy, "NO_PROXY": "direct.example"})
    assert proxies.proxy("https://direct.example") == ""
    with pytest.raises(InvalidRequest, match="all_proxy: must be http://HOST:PORT"):
        proxies.proxy(CLOUD)


def test_a_password_of_a_proxy_is_not_shown() -> None:
    """Only the proxy's location appears in `whoami`, never its password."""
    assert without_password("http://user:hunter2@proxy:3128") == "http://proxy:3128"
    assert without_password("") == ""
