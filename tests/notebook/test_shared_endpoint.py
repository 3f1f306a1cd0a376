"""One endpoint for two clusters in cells: reused, named, used by both, and protected from deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.places import GROUP, OTHER_VPC, VPC

from tidb_pe_magic import errors

if TYPE_CHECKING:
    from pathlib import Path

    from notebook.conftest import Shell

    from tidb_pe_magic.sandbox import Sandbox

PLACEMENT = f"--vpc {VPC} --security-group {GROUP}"


def test_two_clusters_use_one_endpoint(shell: Shell, sandbox: Sandbox, tmp_path: Path) -> None:
    """Each step is a cell; a fleet of three rows in another VPC is billed once."""
    made = shell.must(f"%tidb_pe create --cluster demo {PLACEMENT}").value
    planned = shell.must(f"%tidb_pe plan --cluster reporting {PLACEMENT} --verbose")
    assert planned.value.billed_zones == 0
    assert "demo, reporting, staging-1" in " ".join(planned.output.split())
    reused = shell.must(f"%tidb_pe create --cluster reporting {PLACEMENT}").value
    assert (reused.adopted, reused.endpoint.endpoint_id) == (True, made.endpoint.endpoint_id)
    shell.must("%config SqlMagic.autopandas = True")
    users = []
    for name in ("demo", "reporting"):
        shell.must(f"%tidb_pe connect --cluster {name} --alias {name}")
        users += shell.must(f"%%sql {name}\nSELECT CURRENT_USER() AS who").value["who"].tolist()
    clusters = {each.display_name: each.user_prefix for each in sandbox.clusters.clusters.values()}
    assert [user.partition(".")[0] for user in users] == [clusters["demo"], clusters["reporting"]]
    endpoint_id = made.endpoint.endpoint_id
    refused = shell.run(f"%tidb_pe delete {endpoint_id} --cluster demo --yes")
    assert isinstance(refused.error, errors.NotEligible)
    assert "also serves 7 other ACTIVE clusters: reporting" in refused.output
    path = tmp_path / "fleet.toml"
    rows = ("demo", "reporting", "staging-1")
    path.write_text(
        "".join(f'[[endpoint]]\ncluster = "{name}"\nvpc = "{OTHER_VPC}"\n' for name in rows), encoding="utf-8"
    )
    fleet = shell.must(f"%tidb_pe fleet apply {path}").value
    assert fleet.billed_zones == 2
    assert len({row.endpoint_id for row in fleet}) == 1
    assert len(sandbox.world.endpoints) == 2
    shell.must(f"%tidb_pe delete {endpoint_id} --cluster demo --yes --shared")
    assert len(sandbox.world.endpoints) == 1


def test_the_next_cell_asks_where_a_connection_is_open(shell: Shell, sandbox: Sandbox) -> None:
    """Each result about a connected endpoint suggests a SQL cell, and for another cluster `connect`."""
    shell.must(f"%tidb_pe run demo {PLACEMENT} --database nycflights13 --alias mine")
    (endpoint_id,) = sandbox.world.endpoints
    ask, connect = "Next: %%sql mine\n", f"Next: %tidb_pe connect --endpoint {endpoint_id}\n"
    about_it = ("endpoints", "doctor", "wait", f"plan {PLACEMENT}", f"create {PLACEMENT}")
    for command in about_it:
        written = shell.must(f"%tidb_pe {command} --cluster demo").output
        assert ask in written, written
        assert "connect --" not in written, written
        select = written.split(ask)[1].splitlines()[0].strip()
        assert len(shell.must(f"%%sql mine\n{select}").value) == 5
    assert connect in shell.must("%tidb_pe endpoints --cluster reporting").output
    shell.must("%tidb_pe disconnect --alias mine")
    for command in about_it:
        written = shell.must(f"%tidb_pe {command} --cluster demo").output
        assert "Next: %tidb_pe connect --" in written, written


def test_the_rule_that_authorizes_the_endpoint(shell: Shell, sandbox: Sandbox) -> None:
    """The console's three values appear after create, as a command, and after a refused login."""
    created = shell.must(f"%tidb_pe create --cluster demo {PLACEMENT} --verbose")
    (endpoint,) = sandbox.world.endpoints.values()
    values = (endpoint.service.service_name, endpoint.name, endpoint.endpoint_id)
    assert len(endpoint.endpoint_id) == 23
    rule = shell.must("%tidb_pe authorize")
    shell.must("import os; os.environ['TIDB_PASSWORD'] = 'wrong'")
    diagnosis = shell.must("%tidb_pe doctor --verbose")
    for cell in (created, rule, diagnosis):
        flat = " ".join(cell.output.split())
        for label, value in zip(
            ("Endpoint Service Name", "Firewall Rule Name", "Your Endpoint ID"), values, strict=True
        ):
            assert f"{label} {value}" in flat, cell.output
        assert "An empty table allows every endpoint." in flat
        assert "My TiDB > the instance > Settings" in flat
    assert diagnosis.value.failed.name == "login"
    assert (rule.value.service_name, rule.value.rule_name, rule.value.endpoint_id) == values
