"""ClientToken: a change that is sent again is made once.

The API reference ("Ensure idempotence") promises the first answer to the same token and parameters,
IdempotentParameterMismatch to other parameters, and names no lifetime: a day is an assumption.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.sandbox.alibaba.parameters import Parameters

#: Parameters that do not belong to what the call asks for.
_NOT_COMPARED = frozenset({"ClientToken", "DryRun"})
LIFETIME = 24 * 3600.0  # seconds
_TOKEN = re.compile(r"[!-~]{1,64}")


@dataclass(frozen=True, slots=True)
class _Answered:
    asked: Mapping[str, str]
    body: Mapping[str, object]
    until: float


class ClientTokens:
    """The answers already given, by action and token. The caller serialises its calls."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with no token used; `clock` gives seconds since 1970."""
        self._clock = clock
        self._answered: dict[tuple[str, str], _Answered] = {}

    def recall(self, action: str, parameters: Parameters) -> Mapping[str, object] | None:
        """Return the earlier answer to the same call; refuse a token that another call has used."""
        if not (token := parameters.text("ClientToken")):
            return None
        if not _TOKEN.fullmatch(token):
            raise errors.ApiError(errors.invalid("ClientToken", "It must be 1 to 64 ASCII characters."))
        answered = self._answered.get((action, token))
        if answered is None or answered.until <= self._clock():
            return None
        if answered.asked != _asked(parameters):
            raise errors.ApiError(errors.PARAMETER_MISMATCH)
        return answered.body

    def remember(self, action: str, parameters: Parameters, body: Mapping[str, object]) -> None:
        """Keep the answer to a change that was made."""
        if token := parameters.text("ClientToken"):
            self._answered[action, token] = _Answered(_asked(parameters), body, self._clock() + LIFETIME)


def _asked(parameters: Parameters) -> Mapping[str, str]:
    return {name: value for name, value in parameters.values.items() if name not in _NOT_COMPARED}
