"""The log of requests: its contents, its queries, and its text."""

from __future__ import annotations

import pytest

from tidb_pe_magic.sandbox.faults import Fault, Kind
from tidb_pe_magic.sandbox.request_log import Request, RequestLog
from tidb_pe_magic.sandbox.service import Service


def filled() -> RequestLog:
    """Return the log of a challenge, two calls of TiDB Cloud, a lost creation, and a statement."""
    log = RequestLog(lambda: 1_790_000_000.25)
    for refusal, status in (("no digest credentials", 401), (None, 200), (None, 404)):
        request = log.arrived(Service.TIDB_CLOUD, "GetCluster")
        code = "" if status == 200 else "5"
        log.ended(request.number, refusal=refusal, status=status, code=code, carried_out=True, answered=True)
    lost = log.arrived(Service.ALIBABA, "CreateVpcEndpoint", Fault(kind=Kind.RESET, point="after"))  # type: ignore[arg-type]
    log.ended(lost.number, params={"VpcId": "vpc-1", "DryRun": True}, status=200, carried_out=True)
    log.ended(log.arrived(Service.SQL, "INSERT").number, carried_out=True, answered=True)
    return log


def test_a_challenge_is_logged_apart_from_the_operation() -> None:
    """A Digest challenge is logged separately from the operation's requests."""
    log = filled()
    assert len(log) == 5
    assert log[0].challenge
    assert log.operations == ["GetCluster", "GetCluster", "CreateVpcEndpoint", "INSERT"]
    assert log.count("GetCluster") == 2


def test_requests_are_found_by_operation_status_service_and_parameters() -> None:
    """Patterns match names, and parameters are compared as text, as in a query string."""
    log = filled()
    assert [request.status for request in log.of("Get*")] == [200, 404]
    assert log.count("GetCluster", status=404) == 1
    assert log.count("CreateVpcEndpoint", VpcId="vpc-1", DryRun=True) == 1
    assert not log.of("CreateVpcEndpoint", VpcId="vpc-2")
    assert not log.of("CreateVpcEndpoint", ZoneId="")
    assert log.to("sql").operations == ["INSERT"]
    with pytest.raises(ValueError, match="nobody"):
        log.to("nobody")


def test_earlier_results_do_not_change_and_later_requests_are_found() -> None:
    """A mark stays valid after the log was cleared, and earlier results do not change."""
    log = filled()
    found, mark = log.of(), log.mark
    log.arrived(Service.SQL, "SELECT")
    assert len(found) == 4
    assert log.since(mark).operations == ["SELECT"]
    log.clear()
    assert not log
    assert log.arrived(Service.SQL, "COMMIT").number == 7
    assert log.since(mark).operations == ["COMMIT"]


def test_it_reads_as_a_table_and_in_a_line() -> None:
    """Each request has a row with its outcome, and repr is short enough for an assertion's line."""
    assert str(filled()).splitlines() == [
        "#  time (UTC)    service     operation          answer            parameters",
        "1  14:13:20.250  tidb-cloud  GetCluster         401 challenge",
        "2  14:13:20.250  tidb-cloud  GetCluster         200",
        "3  14:13:20.250  tidb-cloud  GetCluster         404 5",
        "4  14:13:20.250  alibaba     CreateVpcEndpoint  200 lost (reset)  VpcId=vpc-1 DryRun=True",
        "5  14:13:20.250  sql         INSERT             ok",
    ]
    assert repr(filled().of("GetCluster")) == "<2 requests: GetCluster 200, GetCluster 404 5>"
    assert repr(RequestLog()) == "<0 requests>"


@pytest.mark.parametrize(
    "name", ["password", "Password", "Signature", "AccessKeyId", "access_key_secret", "SecurityToken"]
)
def test_values_of_secrets_are_masked(name: str) -> None:
    """Values of secrets are masked, however the parameter's name is written."""
    log = RequestLog()
    log.ended(log.arrived(Service.ALIBABA, "X").number, params={name: "hunter2", "ClientToken": "seen"})
    assert dict(log[0].params) == {name: "***", "ClientToken": "seen"}
    assert "hunter2" not in str(log) + repr(list(log))


def test_a_clients_text_stays_on_its_line() -> None:
    """A parameter with a line break, or an unknown operation, cannot forge a row."""
    log = RequestLog()
    log.ended(log.arrived(Service.ALIBABA, "A\n9  forged").number, params={"x": "\x1b[2J" + "y" * 500})
    head, row = str(log).splitlines()
    assert head.startswith("#")
    assert "\x1b" not in row
    assert len(row) < 200


def test_a_request_that_was_forgotten_is_not_completed() -> None:
    """An answer after a clear is not logged."""
    log = RequestLog()
    late: Request = log.arrived(Service.SQL, "SELECT")
    log.clear()
    log.ended(late.number, answered=True)
    assert list(log) == []
