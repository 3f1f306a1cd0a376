"""ClientToken: a repeated request changes something only once.

The API reference ("Ensure idempotence") promises the first answer to the same token and parameters,
IdempotentParameterMismatch to other parameters, and names no lifetime: a day is an assumption.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Mapping  # noqa: TC003 - a snapshot's file resolves the fields' types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.sandbox.alibaba import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tidb_pe_magic.sandbox.alibaba.parameters import Parameters

#: Parameters that are not part of the request's content.
_NOT_COMPARED = frozenset({"ClientToken", "DryRun"})
LIFETIME = 24 * 3600.0  # seconds
_TOKEN = re.compile(r"[!-~]{1,64}")


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer to a change, which repeated calls get `until` a time in seconds since 1970."""

    action: str
    token: str
    asked: Mapping[str, str]
    body: Mapping[str, Any]
    until: float


class ClientTokens:
    """The answers by action and token. Callers must serialize their calls."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start without tokens; `clock` returns seconds since 1970."""
        self._clock = clock
        self._answered: dict[tuple[str, str], StoredAnswer] = {}
        self._processing: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def exclusive_token(self, action: str, parameters: Parameters) -> Iterator[None]:
        """Refuse a call whose token is in use by an unfinished call; thread-safe."""
        call = action, parameters.text("ClientToken")
        with self._lock:
            if call in self._processing:
                raise errors.ApiError(errors.TOKEN_PROCESSING)
            if call[1]:
                self._processing.add(call)
        try:
            yield
        finally:
            with self._lock:
                self._processing.discard(call)

    def recall(self, action: str, parameters: Parameters) -> Mapping[str, object] | None:
        """Return the earlier answer to the same call; refuse a token that a different call has used."""
        if not (token := parameters.text("ClientToken")):
            return None
        if not _TOKEN.fullmatch(token):
            raise parameters.wrong("ClientToken", "It must be 1 to 64 ASCII characters.")
        answered = self._answered.get((action, token))
        if answered is None or answered.until <= self._clock():
            return None
        if answered.asked != _comparable_values(parameters):
            raise errors.ApiError(errors.PARAMETER_MISMATCH)
        return answered.body

    def remember(self, action: str, parameters: Parameters, body: Mapping[str, object]) -> None:
        """Store the answer to a finished change."""
        if token := parameters.text("ClientToken"):
            until = self._clock() + LIFETIME
            self._answered[action, token] = StoredAnswer(
                action, token, _comparable_values(parameters), body, until
            )

    def state(self) -> tuple[StoredAnswer, ...]:
        """Return all stored answers."""
        return tuple(self._answered.values())

    def restore(self, state: Iterable[StoredAnswer]) -> None:
        """Replace the stored answers."""
        self._answered = {(answered.action, answered.token): answered for answered in state}


def _comparable_values(parameters: Parameters) -> Mapping[str, str]:
    return {name: value for name, value in parameters.values.items() if name not in _NOT_COMPARED}
