"""The changes to the SDK apply only to the product's own calls, and only while they run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from darabonba.core import DaraCore
from Tea.core import TeaCore

from tidb_pe_magic.clouds.alibaba.sdk_process import SdkSession, restore, through
from tidb_pe_magic.clouds.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouds.servers import Cloud

LOGGERS = ("darabonba-core", "alibabacloud-tea", "credentials", "urllib3.connectionpool")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    restore()
    yield
    restore()


def session_of(core: Any) -> Any:
    """Return the session that the SDK would use for another user's call."""
    return core._get_session(session_key="http://other:80", protocol="http")


def filters() -> list[int]:
    """Return the number of filters of each SDK logger."""
    return [len(logging.getLogger(name).filters) for name in LOGGERS]


def test_our_calls_go_through_our_session_and_others_through_their_own() -> None:
    """Within `through` both SDK cores use the product's session; outside they use their own."""
    with SdkSession(Network()) as session:
        with through(session):
            assert session_of(DaraCore) is session
            assert session_of(TeaCore) is session
        for core in (DaraCore, TeaCore):
            others = session_of(core)
            assert others is not session
            assert others.max_redirects > 0
            del core._sessions["http://other:80"]


def test_restoring_leaves_nothing(cloud: Cloud) -> None:
    """After calls and `restore` the SDK is unchanged, however often it was used and restored."""
    before = (DaraCore._get_session, TeaCore._get_session, filters())
    for _ in range(2):
        assert cloud.alibaba.vpcs()
        assert DaraCore._get_session is not before[0]
        restore()
        assert (DaraCore._get_session, TeaCore._get_session, filters()) == before


def test_the_sdks_loggers_say_nothing_of_our_calls_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A log record from one of the product's calls is dropped; another user's record is preserved."""
    with SdkSession(Network()) as session, caplog.at_level("DEBUG"):
        with through(session):
            for name in LOGGERS:
                logging.getLogger(name).warning("ours")
        for name in LOGGERS:
            logging.getLogger(name).warning("another's")
    assert "ours" not in caplog.text
    assert caplog.text.count("another's") == len(LOGGERS)


def test_a_closed_client_holds_no_connection(cloud: Cloud) -> None:
    """Closing a client closes its own connections, and a later call opens others."""
    alibaba = cloud.client()
    assert alibaba.vpcs()
    session = alibaba._client._session
    assert session is not None
    adapter: Any = session.adapters["http://"]
    assert adapter.poolmanager.pools.keys()
    alibaba.close()
    assert not adapter.poolmanager.pools.keys()
    assert alibaba.vpcs()
    alibaba.close()
