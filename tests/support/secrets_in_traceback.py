"""Searches for a secret in everything that a verbose traceback would show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


def frames(error: BaseException | None) -> Iterator[FrameType]:
    """Yield the frames of an exception and of its causes, displayed or not."""
    seen: set[int] = set()
    queue = [error]
    while queue:
        error = queue.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        queue += [error.__cause__, error.__context__, getattr(error, "failure", None)]
        traceback = error.__traceback__
        while traceback:
            yield traceback.tb_frame
            traceback = traceback.tb_next


def holders(error: BaseException, secret: str) -> list[str]:
    """Return the places of `secret`, as text or bytes: the messages, or a local variable.

    The test's own frames are skipped, because the test knows the secret.
    """
    found = [] if secret not in f"{error!r} {error}" else ["message"]
    for frame in frames(error):
        if "/tests/" in frame.f_code.co_filename:
            continue
        for name, value in frame.f_locals.items():
            shown = [repr(value), repr(getattr(value, "__dict__", ""))]
            if any(secret in text for text in shown):
                found.append(f"{frame.f_code.co_qualname}: {name}")
    return found
