"""The choices that a form makes by itself, and the button that it recommends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flows.places import GROUP, OTHER_VPC, VPC
from support.clicker import choose, create
from support.kernels import Kernel

from tidb_pe_magic import Runbook, model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.clicker import Clicker

    from tidb_pe_magic.sandbox import Sandbox


def primary(clicker: Clicker) -> list[str]:
    """Return the labels of the form's recommended buttons."""
    form = clicker.form
    actions = [form.choose.use, form.create.plan, form.create.create]
    actions += [form.connect.wait, form.connect.connect, form.connect.query.run]
    return [each.button.description for each in actions if each.button.button_style == "primary"]


def test_a_cluster_is_all_that_is_chosen(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Choosing a cluster selects the notebook's VPC, an allowed security group and two zones for Create."""
    clicker = open_form(sandbox)
    step = clicker.form.create
    choose(clicker)
    assert (step.vpc.value, step.groups.value) == (VPC, (GROUP,))
    assert [choice.zone_id for choice in step.zones.value] == ["ap-southeast-1a", "ap-southeast-1b"]
    assert step.create.button.description == "Create (2 zones)"
    assert not step.create.button.disabled


def test_one_button_of_a_step_is_recommended(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """One button per step is recommended: first check, then create, then connect, then query."""
    clicker = open_form(sandbox)
    form = clicker.form
    assert primary(clicker) == []
    clicker.put(form.choose.cluster, "demo")
    assert primary(clicker) == ["Use this cluster"]
    clicker.click(form.choose.use.button)
    assert "Create (2 zones)" in primary(clicker)
    clicker.put(form.create.groups, (GROUP, "sg-t4nenterprise"))
    assert "Check the plan" in primary(clicker), "a failed check must run again"
    assert form.create.create.button.disabled
    clicker.put(form.create.groups, (GROUP,))
    assert form.connect.connect.button.disabled, "Connect needs an endpoint"
    clicker.click(form.create.create.button)
    assert primary(clicker)[-1] == "Connect"
    clicker.click(form.connect.connect.button)
    assert primary(clicker)[-1] == "Run the query"
    assert "Connect" not in primary(clicker)


def test_the_only_cluster_is_chosen(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """A single usable cluster is chosen automatically."""

    class One(Runbook):
        """Lists one usable cluster."""

        def perform(self, name: str, *arguments: Any, **options: Any) -> model.Result:
            result = super().perform(name, *arguments, **options)
            if not isinstance(result, model.Clusters):
                return result
            return replace(
                result, items=tuple(c for c in result if c.restriction or c.display_name == "demo")
            )

    clicker = open_form(One(environ=sandbox.environment()))
    assert clicker.form.session.state.cluster_name == "demo"


def test_databases_and_tables(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """After the login they are lists; a chosen table is queried, unless the user has written a query."""
    clicker = open_form(sandbox)
    create(clicker)
    query = clicker.form.connect.query
    clicker.click(clicker.form.connect.connect.button)
    assert query.databases.options == ("nycflights13", "test")
    assert [name for _, name in query.tables.options] == [
        "airlines",
        "airports",
        "flights",
        "planes",
        "weather",
    ]
    assert query.tables.options[0][0] == "airlines (16 rows)"
    assert query.sql.value == "SELECT * FROM nycflights13.weather LIMIT 10", "the largest table is selected"
    query.tables.value = "planes"
    assert query.sql.value == "SELECT * FROM nycflights13.planes LIMIT 10"
    clicker.click(query.run.button)
    assert len(clicker.form.frame) == 10
    query.databases.value = "test"
    clicker.rest()
    assert query.tables.options == ()
    clicker.put(query.sql, "SELECT 1")
    query.databases.value = "nycflights13"
    clicker.rest()
    query.tables.value = "flights"
    assert query.sql.value == "SELECT 1"


def test_a_table_with_a_reserved_name_is_queried(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """The suggested statement has backticks around a table whose name is a word of SQL."""
    clicker = open_form(sandbox)
    create(clicker)
    query = clicker.form.connect.query
    clicker.click(clicker.form.connect.connect.button)
    suggested = query.sql.value
    clicker.put(query.sql, "CREATE TABLE test.`order` (id INT)")
    clicker.click(query.run.button)
    clicker.put(query.sql, suggested)
    clicker.click(clicker.form.connect.connect.button)
    query.databases.value = "test"
    clicker.rest()
    query.tables.value = "order"
    assert query.sql.value == "SELECT * FROM test.`order` LIMIT 10"
    clicker.click(query.run.button)
    assert clicker.form.frame.columns.tolist() == ["id"]


def test_consent_to_a_deletion_is_for_one_endpoint(
    sandbox: Sandbox, open_form: Callable[..., Clicker]
) -> None:
    """Consent to the deletion of one endpoint does not hold for another one."""
    with Runbook(environ=sandbox.environment()) as runbook:
        for vpc, group in ((VPC, [GROUP]), (OTHER_VPC, [])):
            runbook.create(cluster="demo", vpc=vpc, security_group=group)
    clicker = open_form(sandbox, cluster="demo")
    step = clicker.form.connect
    first, second = sandbox.world.endpoints
    clicker.put(step.endpoint, first)
    assert step.delete.action.button.disabled
    clicker.put(step.delete.switches["yes"], value=True)
    assert not step.delete.action.button.disabled
    clicker.put(step.endpoint, second)
    assert step.delete.action.button.disabled


def test_without_keys_the_sandbox_is_offered(tmp_path: Path) -> None:
    """Without keys, one click starts the sandbox, points the kernel at it, and lists its clusters."""
    environment = {"TIDB_PE_STATE_DIR": str(tmp_path / "state"), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with Kernel(environment, tmp_path) as kernel:
        kernel.must("%load_ext tidb_pe_magic\nf = %tidb_pe form\nf.join(60)")
        assert "No TiDB Cloud" in words_of(kernel, "f.choose.list.outcome.value")
        assert "False" in kernel.must("print(f.choose.sandbox.layout.display == 'none')").text
        kernel.must("f.choose.sandbox.click(); f.join(120)")
        try:
            assert "demo" in words_of(kernel, "f.choose.cluster.control.options")
            assert "True" in kernel.must("print(f.choose.sandbox.layout.display == 'none')").text
        finally:
            kernel.must("%tidb_pe sandbox stop")


def words_of(kernel: Kernel, expression: str) -> str:
    """Return the kernel's output for an expression."""
    return str(kernel.must(f"print({expression})").text)


def test_the_button_says_what_is_billed(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """On the clouds Create names the billed zones; in the sandbox nothing is billed."""
    clicker = open_form(sandbox)
    choose(clicker)
    plan, store = clicker.form.session.state.plan, clicker.form.session.store
    assert plan
    store.update(plan=None)
    store.update(plan=replace(plan, emulated=False))
    assert clicker.form.create.create.button.description == "Create (2 billed zones)"
    store.update(plan=None)
    store.update(plan=replace(plan, emulated=True))
    assert clicker.form.create.create.button.description == "Create (2 zones)"
