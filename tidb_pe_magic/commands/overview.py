"""The first screen of help: three commands, three groups of commands, and five questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.commands.table import FIRST_GROUPS, OPERATIONS, Group, Skin, available

if TYPE_CHECKING:
    from tidb_pe_magic.commands.table import Operation

_SELECT = "SELECT carrier, COUNT(*) AS flights FROM flights GROUP BY carrier"
_NOTEBOOK = f"""\
  %tidb_pe sandbox start                       # or your own accounts: %tidb_pe whoami
  %tidb_pe run demo --database nycflights13    # plan, create, wait, connect

  %%sql
  {_SELECT}"""
# A sandbox prints the variables to set; a command's connection closes with it, so one is saved.
_SHELL = f"""\
  python -m tidb_pe_magic.sandbox              # in another terminal; or your own accounts: tidb-pe whoami
  tidb-pe run demo --database nycflights13     # plan, create, wait, log in
  tidb-pe connect --cluster demo --database nycflights13 --save
  tidb-pe query @tidb "{_SELECT}\""""
_SQL_CELL = ("%%sql", "Run SQL in a cell of its own, and return a DataFrame")


def overview(prog: str, skin: Skin) -> str:
    """Return the first screen: the commands of the main groups, and where to find the others."""
    shown = available(Skin.LINE, Skin.CELL) if skin is Skin.LINE else available(skin)
    groups = {group: _rows(group, shown, skin) for group in FIRST_GROUPS}
    width = max(len(name) for rows in groups.values() for name, _ in rows)
    listed = [
        line
        for group, rows in groups.items()
        for line in ("", group.heading, *(f"  {name:<{width}}  {summary}" for name, summary in rows))
    ]
    return "\n".join(
        (
            "From a TiDB Cloud cluster on Alibaba Cloud to a DataFrame, over a private endpoint:",
            "",
            _NOTEBOOK if skin is Skin.LINE else _SHELL,
            *listed,
            "",
            *_questions(prog, skin),
            "",
            "More: " + ", ".join(f"{prog} help {topic}" for topic in _MORE),
            f"{prog} COMMAND -h shows the options of a command; --verbose shows a result with its details.",
        )
    )


_MORE = (
    *(group.topic for group in Group if group not in FIRST_GROUPS),
    *("quickstart", "python"),
)


def _rows(group: Group, shown: dict[str, Operation], skin: Skin) -> list[tuple[str, str]]:
    found = {name: operation.summary for name, operation in shown.items() if operation.group is group}
    order = [name for name in _ORDER if name in found]
    rows = [(name, found[name]) for name in (*order, *(name for name in found if name not in order))]
    return [_SQL_CELL, *rows] if group is Group.ASK and skin is Skin.LINE else rows


_ORDER = ("run", "form", "connect", "status", "tables", "load", "query", "doctor", "endpoints", "delete")


def _questions(prog: str, skin: Skin) -> list[str]:
    ask = "%%sql, after run or connect." if skin is Skin.LINE else f"{prog} query, after connect --save."
    answers = (
        ("Does it cost?", f"The sandbox is free. An endpoint is billed per zone and hour: {prog} help costs"),
        ("Safe to run again?", "Yes. Each command checks what exists and creates nothing twice."),
        ("Where do I ask?" if skin is Skin.CONSOLE else "Which cell do I ask with?", ask),
        ("Which tables are there?", f"{prog} tables"),
        ("How do I stop paying?", f"{prog} endpoints, then {prog} delete ENDPOINT_ID --yes"),
    )
    width = max(len(question) for question, _ in answers)
    return [f"{question:<{width}}  {answer}" for question, answer in answers]


def group_lines(group: Group) -> list[str]:
    """Return the group's examples as a Markdown list, in the order of the table."""
    return [
        f"- `%tidb_pe {operation.example.splitlines()[0]}`: {operation.summary}"
        for operation in OPERATIONS.values()
        if operation.group is group
    ]
