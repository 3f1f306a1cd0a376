"""The help topics: each exists, is named by existing errors, and shows valid commands."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.commands.parse import parse
from tidb_pe_magic.commands.table import Skin
from tidb_pe_magic.commands.topics import TOPICS
from tidb_pe_magic.commands.words import words
from tidb_pe_magic.display import render
from tidb_pe_magic.model import HelpText
from tidb_pe_magic.steps.fleet.file import read
from tidb_pe_magic.steps.help import markdown

if TYPE_CHECKING:
    from pathlib import Path

every_topic = pytest.mark.parametrize("topic", TOPICS)


def test_every_file_is_a_topic() -> None:
    """Every topic has a file, and every file is a topic."""
    shipped = {path.name for path in resources.files("tidb_pe_magic").joinpath("help").iterdir()}
    assert shipped == {f"{topic}.md" for topic in TOPICS}


@every_topic
def test_every_command_of_a_topic_can_be_typed(topic: str) -> None:
    """Every command in a topic is valid, with existing flags."""
    lines = re.findall(r"`%tidb_pe ([^`]*)`", markdown(topic))
    assert lines
    for line in lines:
        if line.split()[0] not in {"sandbox", "form"}:  # These two belong to the notebook.
            parse(words(" ".join(line.split())), prog="%tidb_pe", skin=Skin.LINE)


@every_topic
def test_a_topic_is_markdown_in_a_notebook_and_text_elsewhere(topic: str) -> None:
    """A topic starts with the title that the list of topics shows."""
    with Runbook(environ={}) as runbook:
        shown, listed = runbook.help(topic), runbook.help()
    title = markdown(topic).partition("\n")[0].removeprefix("# ")
    assert shown._repr_mimebundle_()["text/markdown"].startswith(f"### {title}\n")
    assert title in render.text(shown)
    assert f"`%tidb_pe help {topic}`: {title}" in str(listed)


def test_a_topic_names_no_api_host() -> None:
    """A topic names no API host, even if a variable replaces the clouds' own hosts."""
    with Runbook(environ={"TIDB_PE_ALIBABA_ENDPOINT": "http://127.0.0.1:1"}) as runbook:
        assert "127.0.0.1" not in render.text(runbook.help("costs"))


def test_a_notebook_shows_headings_small_and_code_as_it_is() -> None:
    """A comment in an example is not shown as a heading."""
    text = "# Title\n## Part\n```\n# a comment\n```\n# Next"
    assert HelpText(topic="x", text=text)._repr_mimebundle_()["text/markdown"] == (
        "### Title\n#### Part\n```\n# a comment\n```\n### Next"
    )


def test_every_topic_that_an_error_names_exists() -> None:
    """An error without a better command ends with the command that shows an existing topic."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "topic")]
    assert {kind.topic for kind in kinds} - {""} <= set(TOPICS)
    assert errors.ConnectionFailed("tls", "no").text().endswith("\nTry: %tidb_pe help tls")
    assert errors.ConnectionFailed("tcp", "no").text().endswith("\nTry: %tidb_pe help troubleshooting")
    assert errors.MissingCredentials("key", ["here"]).text().endswith("\nTry: %tidb_pe help keys")


def test_the_fleet_of_its_topic_is_a_valid_file(tmp_path: Path) -> None:
    """The fleet in the topic has the rows that the text describes: each cluster in each VPC, and one more."""
    (block,) = re.findall(r"```toml\n(.*?)```", markdown("fleets"), re.DOTALL)
    path = tmp_path / "fleet.toml"
    path.write_text(block, encoding="utf-8")
    assert [str(entry).split(" in ")[0] for entry in read(str(path))] == [
        *("sales", "sales", "orders", "orders"),
        "archive",
    ]
