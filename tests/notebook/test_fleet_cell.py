"""`%tidb_pe fleet` in a cell: the table precedes the error, and Run All stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import errors, model

if TYPE_CHECKING:
    from pathlib import Path

    from notebook.conftest import Shell

    from tidb_pe_magic.sandbox import Sandbox

VPC = "vpc-t4nanalytics0k3m7x"


def test_a_cell_that_fails_has_shown_every_row(shell: Shell, sandbox: Sandbox, tmp_path: Path) -> None:
    """A failing cell shows the created rows, then the one-line error; the next cell creates the rest."""
    path = tmp_path / "fleet.toml"
    lines = (
        '[defaults]\nsecurity_group = "sg-t4nanalytics"\n[[endpoint]]\ncluster = ["demo", "{}"]\nvpc = "{}"\n'
    )
    path.write_text(lines.format("stagging-1", VPC), encoding="utf-8")
    failed = shell.run(f"%tidb_pe fleet apply {path}")
    assert isinstance(failed.error, errors.FleetFailed)
    table, _, error = failed.output.partition("\n1 of 2 rows failed; ")
    assert "✘ Fleet apply: 1 ready, 1 failed" in table
    assert next(iter(sandbox.world.endpoints)) in table
    assert error.startswith("row 2 (stagging-1 in ")
    assert "Traceback" not in failed.output
    path.write_text(lines.format("staging-1", VPC), encoding="utf-8")
    mended = shell.must(f"%tidb_pe fleet apply {path}")
    assert isinstance(mended.value, model.Fleet)
    assert [(row.adopted, row.shares_row) for row in mended.value] == [(True, 0), (True, 1)]
    assert len(sandbox.world.endpoints) == 1
