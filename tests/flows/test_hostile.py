"""Hostile input: answers of the APIs, names, user names, and lines of the magic."""

from __future__ import annotations

import random
import unicodedata
from typing import TYPE_CHECKING

import pytest
from flows.mutator import HOSTILE, mutated, mutation
from flows.places import GROUP, VPC
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tidb_pe_magic import Runbook, TidbPeError, errors
from tidb_pe_magic.commands.parse import Command, Help, parse
from tidb_pe_magic.commands.table import OPERATIONS, Skin
from tidb_pe_magic.commands.words import words
from tidb_pe_magic.display import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.model import Event, Result
    from tidb_pe_magic.sandbox import Sandbox

_DANGEROUS = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def check_harmless(text: str) -> None:
    """Fail if a text has terminal control or direction characters, or if an error's text is not one line."""
    assert not {unicodedata.category(character) for character in text.replace("\n", "")} & _DANGEROUS


def check_shown(result: Result) -> None:
    """Fail if either form of a result contains anything harmful."""
    check_harmless(render.text(result))
    html = render.html(result)
    check_harmless(html)
    assert "<script" not in html
    assert "onerror=" not in html.replace("&quot;", "")


@pytest.fixture
def small(tidb_pe_sandbox: Sandbox) -> Sandbox:
    """Provide embedded clouds, shared by a test's examples, without rate limits."""
    return tidb_pe_sandbox


def _steps(runbook: Runbook) -> list[Callable[[], Result]]:
    return [
        runbook.clusters,
        lambda: runbook.cluster("demo"),
        lambda: runbook.networks(cluster="demo"),
        lambda: runbook.verify(cluster="demo"),
        lambda: runbook.plan(cluster="demo", vpc=VPC, security_group=[GROUP]),
        lambda: runbook.create(cluster="demo", force=True, vpc=VPC, security_group=[GROUP]),
        lambda: runbook.wait(cluster="demo", timeout=5),
        lambda: runbook.status(cluster="demo"),
        lambda: runbook.endpoints(cluster="demo"),
        lambda: runbook.permissions(cluster="demo"),
        lambda: runbook.export("terraform", cluster="demo", vpc=VPC),
        lambda: runbook.export("aliyun-cli", cluster="demo", vpc=VPC),
        lambda: runbook.run("demo", vpc=VPC, security_group=[GROUP], timeout=5),
        runbook.history,
    ]


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.02, 0.1, 0.4, 1.0]))
@example(seed=0, rate=0.0)
def test_any_answer_of_the_apis_is_a_result_or_one_line(small: Sandbox, seed: int, rate: float) -> None:
    """Whatever an answer contains, every step returns a harmless result or raises a product error."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, nothing secret
    now = [0.0]

    def sleep(seconds: float) -> bool:
        now[0] += seconds
        return False

    def hear(event: Event) -> None:
        check_harmless(render.event_line(event))

    succeeded = 0
    with (
        mutated(small, lambda answer: mutation(answer, chance, rate)) as environment,
        Runbook(environ=environment, on_event=hear, sleep=sleep, clock=lambda: now[0]) as runbook,
    ):
        for step in _steps(runbook):
            try:
                check_shown(step())
                succeeded += 1
            except TidbPeError as error:
                check_harmless(str(error))
    assert succeeded == len(_steps(runbook)) or rate  # without changes every step succeeds


def test_hostile_names_are_shown_harmlessly(small: Sandbox) -> None:
    """Names with HTML, ANSI escapes, line breaks and direction marks are escaped or made visible."""

    def rename(answer: object) -> object:
        if isinstance(answer, dict):
            names = {"displayName", "VpcName", "VSwitchName", "SecurityGroupName", "EndpointName", "message"}
            return {name: HOSTILE if name in names else rename(inner) for name, inner in answer.items()}
        return [rename(inner) for inner in answer] if isinstance(answer, list) else answer

    with mutated(small, rename) as environment, Runbook(environ=environment) as runbook:
        cluster = small.clusters
        assert cluster is not None
        for result in (
            runbook.clusters(),
            runbook.cluster("10430185274093617152"),
            runbook.networks(),
            runbook.plan(vpc=VPC, security_group=[GROUP]),
            runbook.create(vpc=VPC, security_group=[GROUP]),
            runbook.status(),
            runbook.endpoints(),
            runbook.history(),
        ):
            check_shown(result)
        assert "&lt;script&gt;" in render.html(runbook.networks())
        with pytest.raises(errors.InvalidRequest) as unknown:
            runbook.cluster(HOSTILE)
        check_harmless(str(unknown.value))


@pytest.mark.parametrize("user", ["o'brien", 'a"b', "back`tick", "semi;colon", HOSTILE.replace("\ud800", "")])
def test_a_user_name_with_quotes_is_one_name(small: Sandbox, user: str) -> None:
    """Quotes in a user name reach the server unchanged, and the refusal is one harmless line."""
    with Runbook(environ=small.environment()) as runbook:
        runbook.run("demo", vpc=VPC, security_group=[GROUP])
        with pytest.raises(errors.ConnectionFailed) as refused:
            runbook.connect(user=user)
        assert refused.value.stage == "login"
        check_harmless(str(refused.value))
        assert [connection.alias for connection in runbook.connections()] == ["tidb"]


@pytest.mark.parametrize("alias", ["a'b", 'a"b', "a b", "a;b", "a`b", "--x", HOSTILE, ""])
def test_an_alias_that_is_not_a_name_is_refused(alias: str) -> None:
    """An alias that would need quotes in a `%%sql` line is refused."""
    with Runbook(environ={}) as runbook, pytest.raises(errors.InvalidRequest, match="--alias"):
        runbook.disconnect(alias=alias)


_WORDS = st.sampled_from(
    [*OPERATIONS, "--vpc", "--zone", "--alias", "--user", "-h", "--limit", "=", "'", "$(id)"]
)
_LINES = st.text(max_size=40) | st.lists(_WORDS | st.text(max_size=8), max_size=8).map(" ".join)


@settings(deadline=None, max_examples=100)
@given(_LINES)
@example(HOSTILE)
@example("connect --password=hunter2")
def test_any_line_is_a_command_help_or_one_line(line: str) -> None:
    """Any text after `%tidb_pe` is understood, or refused in one harmless line."""
    try:
        understood = parse(words(line), prog="%tidb_pe", skin=Skin.LINE)
    except TidbPeError as error:
        check_harmless(str(error).replace("hunter2", "\a"))  # A typed password is not repeated.
    else:
        assert isinstance(understood, Command | Help)
