"""What a context remembers between calls, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.clouds import metadata
from tidb_pe_magic.credentials.secrets import Environment
from tidb_pe_magic.model import Whereabouts
from tidb_pe_magic.runtime.context import Context

if TYPE_CHECKING:
    import pytest

HERE = Whereabouts(
    region_id="ap-southeast-1",
    zone_id="ap-southeast-1a",
    vpc_id="vpc-1",
    vswitch_id="vsw-1",
    private_ip="10.0.0.1",
)


def test_one_slow_answer_is_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A negative answer is cached for 30 s, a positive one forever."""
    answers: list[Whereabouts | None] = [None, None, HERE]
    asked: list[float] = []
    now = [100.0]

    def whereabouts(_: str, *, timeout: float) -> Whereabouts | None:
        asked.append(timeout)
        return answers.pop(0)

    monkeypatch.setattr(metadata, "whereabouts", whereabouts)
    context = Context(environ=Environment({}), clock=lambda: now[0])
    for seconds, calls, on_ecs in (
        (0.0, 1, False),
        (29.0, 1, False),
        (2.0, 2, False),
        (29.0, 2, False),
        (2.0, 3, True),
        (1_000_000.0, 3, True),
    ):
        now[0] += seconds
        assert context.on_ecs() is on_ecs
        assert len(asked) == calls
