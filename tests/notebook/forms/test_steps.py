"""The three steps by clicks, against the sandbox."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from flows.places import DEMO_ID, GROUP, OTHER_VPC, VPC
from support.clicker import choose, command_of, create, heads, place, settle, words

from tidb_pe_magic import Runbook, model
from tidb_pe_magic.notebook.forms.state import Clicks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from support.clicker import Clicker

    from tidb_pe_magic.sandbox import Sandbox


DATABASE = "nycflights13"


def test_the_whole_tutorial_by_clicks(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """From the list of clusters to a DataFrame, each step shows its equivalent command."""
    clicker = open_form(sandbox)
    form = clicker.form
    assert "aws-sales runs on AWS" in words(form.choose.list.outcome)
    choose(clicker)
    noted = form.choose.use.outcome.value
    for label in ("Service Name", "Availability Zone ID", "Region ID"):
        assert label in noted
    assert 'value="ap-southeast-1a, ap-southeast-1b, ap-southeast-1c"' in noted
    step = form.create
    clicker.put(step.groups, (GROUP,))
    assert [choice.zone_id for choice in step.zones.value] == ["ap-southeast-1a", "ap-southeast-1b"]
    assert "dry run passed" in words(step.plan.outcome)
    assert step.create.button.description == "Create (2 zones)"
    clicker.click(step.create.button)
    assert len(sandbox.world.endpoints) == 1
    assert "Active and Connected" in words(form.connect.wait.outcome)
    clicker.put(form.connect.login["database"], DATABASE)
    assert command_of(form.connect.connect) == f"%tidb_pe connect --cluster demo --database {DATABASE}"
    clicker.click(form.connect.connect.button)
    clicker.put(form.connect.query.sql, "SELECT COUNT(*) AS n FROM flights")
    clicker.click(form.connect.query.run.button)
    assert form.frame["n"].tolist() == [500]
    assert words(form.connect.query.run.outcome).split().count("500") == 1, "the data appear once"
    assert heads(clicker)[2].endswith("connected as tidb")
    for command in ("cluster demo", "create --cluster demo", "connect --cluster demo"):
        assert f"%tidb_pe {command}" in clicker.summary
    assert "As a cell\n%%tidb_pe query --max-rows 1000\nSELECT COUNT(*) AS n FROM flights" in clicker.summary


def test_the_form_writes_a_file_for_colleagues(
    sandbox: Sandbox, open_form: Callable[..., Clicker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad name and the name of another file are errors at the field; a written file opens without a key."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "package.json").write_text("{}", encoding="utf-8")
    clicker = open_form(sandbox)
    create(clicker)
    step = clicker.form.connect
    field = step.login["save_to"]
    clicker.put(field, "team.txt")
    assert field.reason == "must be the path of a file whose name ends with .json."
    assert "--save-to" not in command_of(step.connect)
    clicker.put(field, "package.json")
    clicker.click(step.connect.button)
    assert "exists and is not a connection file" in words(field.box.children[1])
    assert not clicker.form.session.state.aliases
    clicker.put(field, "team.json")
    assert command_of(step.connect) == "%tidb_pe connect --cluster demo --save-to team.json"
    clicker.click(step.connect.button)
    assert "%tidb_pe connect @team.json" in words(step.connect.outcome)
    environ = {name: value for name, value in sandbox.environment().items() if "KEY" not in name}
    with Runbook(environ=environ) as colleague:
        assert colleague.connect("@team.json", ca=environ["TIDB_CA"]).cluster.display_name == "demo"


def test_the_filter_narrows_the_list(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Words of name, region, plan or ID match in any order; clusters with the same name have IDs."""
    step = open_form(sandbox).form.choose
    step.cluster.control.value = "demo"
    assert command_of(step.use) == "%tidb_pe cluster demo"
    step.filter.value = "essential southeast-5"
    assert [value for _, value in step.cluster.control.options] == ["jakarta"]
    step.filter.value = "twin"
    assert [value for _, value in step.cluster.control.options] == [
        "10430185274093617159",
        "10430185274093617160",
    ]
    assert command_of(step.use) == "", "a hidden cluster is not chosen"
    step.filter.value = "nowhere"
    assert step.cluster.control.options == ()
    assert "No usable cluster matches" in words(step.cluster.box.children[1])
    step.filter.value = ""
    assert words(step.cluster.box.children[1]) == ""


def test_pickers_depend_on_each_other(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """The notebook's VPC is the default; another VPC brings its own groups and vSwitches."""
    clicker = open_form(sandbox)
    choose(clicker)
    step = clicker.form.create
    assert step.vpc.value == VPC
    assert "this notebook" in step.vpc.control.label
    assert step.groups.value == (GROUP,), "the group allows this notebook"
    clicker.put(step.vpc, OTHER_VPC)
    assert [value for _, value in step.groups.control.options] == ["sg-t4nother"]
    assert step.groups.value == ("sg-t4nother",), "the only possible choice is displayed"
    assert [choice.vswitch_id for choice in step.zones.value] == ["vsw-t4noa1", "vsw-t4nob1"]
    assert OTHER_VPC in command_of(step.create)
    clicker.put(step.vpc, VPC)
    assert step.groups.value == (GROUP,)
    assert [choice.vswitch_id for choice in step.zones.value] == ["vsw-t4na1", "vsw-t4nb1"]


def test_zones_are_billed_as_they_are_chosen(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Removing a zone triggers a new plan: the button shows the number of billed zones."""
    clicker = open_form(sandbox)
    place(clicker, zones=1)
    step = clicker.form.create
    assert step.create.button.description == "Create (1 zone)"
    assert command_of(step.create).endswith("--zone ap-southeast-1a=vsw-t4na1")


def test_an_endpoint_that_the_preflight_stops_is_not_created(
    sandbox: Sandbox, open_form: Callable[..., Clicker]
) -> None:
    """Groups of two kinds are a finding; Create refuses, and the form shows the option to force it."""
    clicker = open_form(sandbox)
    choose(clicker)
    step = clicker.form.create
    assert step.force.box.layout.display == "none"
    clicker.put(step.groups, (GROUP, "sg-t4nenterprise"))
    assert step.force.box.layout.display != "none"
    assert "create refuses" in words(step.plan.outcome)
    assert step.create.button.disabled
    step.create.press()  # like a click that came before the page was updated
    clicker.rest()
    assert "Preflight (security-group)" in words(step.create.outcome)
    assert not sandbox.world.endpoints
    clicker.put(step.force, value=True)
    assert command_of(step.create).endswith("--force")
    assert not step.create.button.disabled
    clicker.put(step.groups, (GROUP,))
    assert not step.force.value, "the failed check is gone, and so is the consent"
    assert step.force.box.layout.display == "none"


def test_a_wrong_field_stops_the_click(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """An error is shown at its field; the command is unchanged and no cloud is asked."""
    clicker = open_form(sandbox)
    choose(clicker)
    step = clicker.form.create
    clicker.put(step.groups, (GROUP,))
    line, calls = command_of(step.create), len(sandbox.requests.to("alibaba"))
    clicker.put(step.name, "1 wrong name")
    assert "2 to 128 letters" in step.name.reason
    clicker.click(step.create.button)
    assert command_of(step.create) == line
    assert len(sandbox.requests.to("alibaba")) == calls
    assert not sandbox.world.endpoints


def test_cancel_detaches_and_the_wait_can_be_taken_up_again(
    manual: Sandbox, open_form: Callable[..., Clicker]
) -> None:
    """Cancel ends the wait in one line, the endpoint stays in creation, and a second wait works."""
    clicker = open_form(manual)
    choose(clicker)
    clicker.put(clicker.form.create.groups, (GROUP,))
    step, seen = clicker.form.connect, threading.Event()

    def look(change: Any) -> None:
        if "Creating" in change["new"]:
            seen.set()

    step.wait.outcome.observe(look, "value")
    clicker.form.create.create.button.click()
    assert seen.wait(60)
    assert step.wait.button.disabled
    assert not clicker.form.header.cancel.disabled
    clicker.form.header.cancel.click()
    clicker.rest()
    assert "Detached while waiting" in words(step.wait.outcome)
    assert "✘" not in words(step.wait.outcome), "a cancel is not an error"
    assert clicker.form.header.cancel.disabled
    settle(manual)
    clicker.click(step.wait.button)
    assert "Endpoint ready: Active and Connected" in words(step.wait.outcome)


def test_a_second_click_does_nothing(manual: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """While the form works its buttons are disabled, and another click starts nothing."""
    clicker = open_form(manual)
    choose(clicker)
    step = clicker.form.create
    clicker.put(step.groups, (GROUP,))
    made = threading.Event()
    clicker.form.connect.wait.outcome.observe(lambda _: made.set(), "value")
    step.create.button.click()
    assert step.create.button.disabled
    step.create.button.click()
    step.create.press()
    assert made.wait(60)
    clicker.form.connect.wait.press()
    clicker.form.header.cancel.click()
    clicker.rest()
    assert len(manual.world.endpoints) == 1


def test_two_forms_and_a_cell_do_not_disturb_each_other(
    manual: Sandbox, open_form: Callable[..., Clicker]
) -> None:
    """One form waits. Another form and a cell work on another cluster, and Cancel affects one form only."""
    with Runbook(environ=manual.environment()) as runbook:
        first = open_form(runbook)
        create_button = first.form.create.create.button
        choose(first)
        first.put(first.form.create.groups, (GROUP,))
        create_button.click()
        second = open_form(runbook, cluster="jakarta")
        assert second.form.session.state.cluster_name == "jakarta"
        assert runbook.verify().region_id == "ap-southeast-5"
        second.form.session.worker.cancel()
        assert second.form.session.state.cluster_name == "jakarta"
        assert first.form.session.worker.clicks is Clicks.IGNORE
        assert not first.form.session.worker.cancelled.is_set()
        assert command_of(first.form.connect.wait) == "%tidb_pe wait --cluster demo"
        settle(manual)
        first.rest()
        assert "Active and Connected" in words(first.form.connect.wait.outcome)
        assert runbook.verify().region_id == "ap-southeast-5", "a form's own lookups set no default"


def test_a_new_form_finds_where_the_clouds_are(
    lend: Callable[..., Sandbox], open_form: Callable[..., Clicker]
) -> None:
    """A new runbook finds the only cluster with an endpoint, and continues at Connect."""
    sandbox = lend(exclusive=("demo",))
    create(open_form(sandbox))
    clicker = open_form(sandbox)
    assert clicker.form.session.state.cluster_name == "demo"
    assert heads(clicker)[2].startswith("▾ 3. Connect")
    assert "Active and Connected" in words(clicker.form.connect.wait.outcome)
    assert "ep-" in heads(clicker)[1]


def test_one_of_several_endpoints_is_chosen(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Of several endpoints, the one that was just created or chosen is used."""
    with Runbook(environ=sandbox.environment()) as runbook:
        runbook.create(cluster="demo", vpc=OTHER_VPC)
    clicker = open_form(sandbox)
    form = clicker.form
    choose(clicker)
    clicker.click(clicker.head("create"))
    clicker.put(form.create.groups, (GROUP,))
    clicker.click(form.create.create.button)
    (made,) = [e.endpoint_id for e in sandbox.world.endpoints.values() if e.vpc_id == VPC]
    assert form.connect.endpoint.value == made
    assert made in command_of(form.connect.connect)
    again = open_form(sandbox)
    choose(again)
    later = again.form.connect
    assert later.endpoint.value is None
    assert len(later.endpoint.control.options) == 3


def test_a_step_alone(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """A single step shows the choice of a cluster first, and then itself."""
    clicker = open_form(sandbox, "create")

    def visible() -> list[str]:
        return [name for name, page in clicker.form.sections.items() if page.box.layout.display != "none"]

    assert visible() == ["cluster", "create"]
    create(clicker)
    assert visible() == ["create"]
    assert "Endpoint created" in words(clicker.form.create.create.outcome)


def test_a_cluster_is_named_by_its_id_too(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """--cluster accepts an ID as other commands do; a wrong one is the operation's own error."""
    assert open_form(sandbox, cluster=DEMO_ID).form.session.state.cluster_name == "demo"
    wrong = open_form(sandbox, cluster="dmeo").form
    assert "did you mean demo?" in words(wrong.choose.cluster.box.children[1])
    refused = open_form(sandbox, cluster="aws-sales").form
    assert "runs on AWS" in words(refused.choose.use.outcome)


def test_a_wrong_password(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """A typed password is used once: the next click uses the default again."""
    clicker = open_form(sandbox)
    create(clicker)
    step = clicker.form.connect
    clicker.put(step.password, "canary-Wrong1")
    assert command_of(step.connect).endswith("--password-from prompt")
    clicker.click(step.connect.button)
    assert "No connection (login): 1045" in words(step.connect.outcome)
    assert not command_of(step.connect).endswith("--password-from prompt")
    clicker.click(step.connect.button)
    assert "Connected to cluster demo as tidb" in words(step.connect.outcome)
    published = str(clicker.shown.data)
    assert "canary-Wrong1" not in published
    assert "1045" in published


def test_a_missing_password_names_the_field(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Without TIDB_PASSWORD and a typed password, the form names the field instead of a blocking prompt."""
    environ = {name: value for name, value in sandbox.environment().items() if name != "TIDB_PASSWORD"}
    clicker = open_form(Runbook(environ=environ))
    create(clicker)
    clicker.click(clicker.form.connect.connect.button)
    assert "the form's field Password, which is empty" in words(clicker.form.connect.connect.outcome)


def test_a_bug_is_one_line_with_its_traceback(
    sandbox: Sandbox, open_form: Callable[..., Clicker], caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception in the thread appears in the form and in the log, and the form works on."""

    class Broken(Runbook):
        """Fails in one operation with a bug."""

        def perform(self, name: str, *arguments: Any, **options: Any) -> model.Result:
            if name == "plan":
                raise ZeroDivisionError(name)
            return super().perform(name, *arguments, **options)

    clicker = open_form(Broken(environ=sandbox.environment()))
    choose(clicker)
    clicker.click(clicker.form.create.plan.button)
    shown = words(clicker.form.create.plan.outcome)
    assert "ZeroDivisionError: plan (a bug" in shown
    assert "Traceback (most recent call last)" in shown
    assert "ZeroDivisionError" in caplog.text
    assert not clicker.form.create.plan.button.disabled


def test_a_refused_query_is_one_line(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """The server's error for a statement is shown; percent signs and rows above the limit are harmless."""
    clicker = open_form(sandbox)
    create(clicker)
    clicker.put(clicker.form.connect.login["database"], DATABASE)
    clicker.click(clicker.form.connect.connect.button)
    query = clicker.form.connect.query
    assert query.sql.value == "SELECT * FROM weather LIMIT 10"

    def ask(statement: str) -> str:
        clicker.put(query.sql, statement)
        clicker.click(query.run.button)
        return words(query.run.outcome)

    assert "1146" in ask("SELECT * FROM nowhere")
    ask(" ")
    assert "must not be empty" in query.sql.reason
    assert "500" in ask("SELECT COUNT(*) FROM flights WHERE carrier LIKE '%' AND carrier <> '%s'")
    ask("SELECT a.carrier FROM flights a, airlines b")
    assert len(clicker.form.frame) == 1000
    ask("SELECT * FROM airlines")
    assert len(clicker.form.frame) == 16, "the connection works after a large result"


def test_names_are_text(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """A cluster's name with markup is shown literally, and commands use its ID."""
    sandbox.clusters.update(DEMO_ID, display_name="<img src=x>\n$x^2$")
    clicker = open_form(sandbox)
    choose(clicker, DEMO_ID)
    assert clicker.form.session.state.cluster_name == DEMO_ID
    every = [w.value for w in _all(clicker.form.widget) if type(w).__name__ == "HTML"]
    assert not re.search(r"<img", "".join(every))


def _all(widget: Any) -> list[Any]:
    return [widget, *(each for child in getattr(widget, "children", ()) for each in _all(child))]


def test_a_field_is_unchanged_while_the_user_types(
    sandbox: Sandbox, open_form: Callable[..., Clicker]
) -> None:
    """A text field's widget does not change during typing, as the page would overwrite the partial text."""
    clicker = open_form(sandbox)
    changes: list[Any] = []
    for widget in _all(clicker.form.widget):
        if type(widget).__name__ in {"Text", "Textarea", "_Unechoed"}:
            widget.observe(changes.append)
    create(clicker)
    clicker.click(clicker.form.connect.wait.button)
    clicker.click(clicker.form.header.refresh)
    assert changes == []


def test_a_cloud_that_refuses_everything_is_explained(
    lend: Callable[..., Sandbox], open_form: Callable[..., Clicker]
) -> None:
    """If not even networks can be looked up, the form goes to the preflight, which gives the reason."""
    clicker = open_form(lend(scenario="clock-skew"), cluster="demo")
    assert heads(clicker)[1].startswith("▾ 2. Create the endpoint")
    step = clicker.form.create
    assert "clock is more than 15 minutes off" in words(step.plan.outcome)
    assert step.create.button.disabled
    assert step.create.button.description == "Create"  # no zone is known to count
    step.create.press()
    clicker.rest()
    assert "Preflight (clock)" in words(step.create.outcome)


def test_an_endpoint_that_serves_others_is_not_deleted(
    sandbox: Sandbox, open_form: Callable[..., Clicker]
) -> None:
    """The second cluster's form uses the existing endpoint; deleting it needs consent for the others."""
    create(open_form(sandbox))
    clicker = open_form(sandbox)
    choose(clicker, "reporting")
    clicker.click(clicker.head("create"))
    step, form = clicker.form.create, clicker.form.connect
    clicker.put(step.groups, (GROUP,))
    assert step.create.button.description == "Use the existing endpoint"
    assert "demo, reporting, staging-1" in words(step.plan.outcome)
    clicker.click(step.create.button)
    (endpoint_id,) = sandbox.world.endpoints
    assert f'value="{endpoint_id}"' in step.rule.value
    clicker.click(form.connect.button)
    assert clicker.form.session.state.aliases == ("tidb",)
    assert "also serves demo, staging-1" in clicker.form.header.drawing.box.value
    clicker.put(form.delete.switches["yes"], value=True)
    clicker.click(form.delete.action.button)
    assert "also serves 7 other ACTIVE clusters: demo, staging-1" in words(form.delete.action.outcome)
    assert list(sandbox.world.endpoints) == [endpoint_id]
    clicker.put(form.delete.switches["shared"], value=True)
    assert command_of(form.delete.action).endswith(f"delete {endpoint_id} --cluster reporting --yes --shared")
    clicker.click(form.delete.action.button)
    assert not sandbox.world.endpoints
    assert not form.delete.switches["yes"].value
    assert clicker.form.session.state.endpoint is None
