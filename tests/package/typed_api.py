"""The public API as a user's own typed program uses it; type checkers read this file, nothing runs it.

A type checker must find exactly the error in each line that ends with `error:` and a code; other lines
have none.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, assert_type

from sqlalchemy import Engine

import tidb_pe_magic
from tidb_pe_magic import ApiError, Runbook, StepOrderError, Throttled, TidbPeError, WaitTimeout, model
from tidb_pe_magic.notebook.forms import Form

if TYPE_CHECKING:
    from tidb_pe_magic.credentials.secrets import Secret


def whole_way(runbook: Runbook) -> Engine:
    """Create the endpoint step by step, and connect."""
    assert_type(runbook.clusters(), model.Clusters)
    for cluster in runbook.clusters():
        assert_type(cluster, model.Cluster)
    assert_type(runbook.cluster("demo"), model.Cluster)
    assert_type(runbook.verify(), model.VerifiedService)
    assert_type(runbook.networks(), model.Networks)
    assert_type(runbook.plan(vpc="vpc-1", security_group=["sg-1"]), model.EndpointPlan)
    created = runbook.create(vpc="vpc-1", zone=("ap-southeast-1a", "ap-southeast-1b=vsw-1"))
    assert_type(created, model.CreatedEndpoint)
    assert_type(created.endpoint.endpoint_id, str)
    assert_type(runbook.wait(timeout=60), model.VpcEndpoint)
    assert_type(runbook.status(), model.RunbookStatus)
    connection = runbook.connect(database="test", password_from="env:SQL_PASSWORD")
    assert_type(connection, model.Connection)
    assert_type(connection.port, int)
    assert_type(runbook.connection, model.Connection)
    return connection.engine


def at_once(password: Secret) -> model.RunReport:
    """Do all of it in one call, with every dependency of a runbook replaced."""
    seen: list[model.Event] = []
    edges = {"TIDB_PE_CLUSTER": "demo"}
    with Runbook(
        on_event=seen.append,
        environ=edges,
        prompt=lambda _: password,
        cancel=threading.Event(),
        profile="work",
    ) as runbook:
        assert_type(runbook, Runbook)
        report = runbook.run("demo", vpc="vpc-1", security_group=["sg-1"])
        assert_type(report, model.RunReport)
        assert_type(report.connection.engine, Engine)
        assert_type(tidb_pe_magic.form(runbook, "create", cluster="demo"), Form)
        return report


def seconds_to_wait(runbook: Runbook) -> float | None:
    """Distinguish errors by their classes, which carry the data that a program needs."""
    try:
        runbook.delete("ep-1", yes=True)
    except Throttled as error:
        assert_type(error.request_id, str)
        return error.retry_after
    except WaitTimeout as error:
        assert_type(error.last, model.VpcEndpoint | None)
    except (ApiError, StepOrderError) as error:
        assert_type(error.advice, str)
    except TidbPeError as error:
        assert_type(error.message, str)
    return None


def mistakes(runbook: Runbook) -> int:
    """Make calls that a type checker must refuse."""
    runbook.cluster(1)  # error: arg-type
    runbook.plan(vpcs="vpc-1")  # error: call-arg
    runbook.wait(timeout="60")  # error: arg-type
    runbook.create().endpoint.endpoint_id = "ep-2"  # error: misc
    runbook.connect(password="secret")  # error: call-arg
    runbook.unknown()  # error: attr-defined
    Runbook(cluster="demo")  # error: call-arg
    number: int = runbook.cluster("demo").service  # error: assignment
    return number
