"""Reading an RPC-style call's parameters: flat strings in, typed values out."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from tidb_pe_magic.sandbox.alibaba import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")

_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list, and the token of the next page (empty at the end)."""

    items: Sequence[T]
    next_token: str
    max_results: int
    total: int


class Parameters:
    """The parameters of one call, from its query and its form together."""

    def __init__(
        self, values: Mapping[str, str], refusal: Callable[[str, str], errors.Refusal] = errors.invalid
    ) -> None:
        """Set the decoded parameters, and the product's error for an invalid value."""
        self.values = dict(values)
        self._refusal = refusal

    def wrong(self, name: str, detail: str = "") -> errors.ApiError:
        """Return the error for an invalid value."""
        return errors.ApiError(self._refusal(name, detail))

    def required(self, name: str) -> str:
        """Return a mandatory parameter, or refuse the call like the gateway."""
        if not (value := self.values.get(name, "")):
            raise errors.ApiError(errors.missing_parameter(name))
        return value

    def text(self, name: str, default: str = "") -> str:
        """Return an optional string."""
        return self.values.get(name, default)

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean; SDKs write `True`, `true` or `TRUE`."""
        if not (value := self.values.get(name, "")):
            return default
        if value.lower() not in _BOOLEANS:
            raise self.wrong(name)
        return _BOOLEANS[value.lower()]

    def integer(self, name: str, *, default: int, low: int, high: int) -> int:
        """Return a whole number within the documented bounds."""
        if not (value := self.values.get(name, "")):
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise self.wrong(name, f"It must be an integer from {low} to {high}.")
        return int(value)

    def one_of(self, name: str, allowed: Sequence[str]) -> str:
        """Return one of the allowed values; the first is the default."""
        value = self.values.get(name, "") or allowed[0]
        if value not in allowed:
            raise self.wrong(name)
        return value

    def strings(self, name: str, *, most: int) -> list[str]:
        """Return a list that was flattened to `Name.1`, `Name.2`, and so on."""
        pattern = re.compile(rf"{re.escape(name)}\.([1-9][0-9]*)")
        found = {int(m[1]): value for key, value in self.values.items() if (m := pattern.fullmatch(key))}
        if len(found) > most:
            raise self.wrong(name, f"At most {most} are allowed.")
        return [found[index] for index in sorted(found)]

    def records(self, name: str, *, most: int) -> list[Parameters]:
        """Return a list of structures that was flattened to `Name.1.Field`, and so on."""
        pattern = re.compile(rf"{re.escape(name)}\.([1-9][0-9]*)\.(.+)")
        found: dict[int, dict[str, str]] = {}
        for key, value in self.values.items():
            if match := pattern.fullmatch(key):
                found.setdefault(int(match[1]), {})[match[2]] = value
        if len(found) > most:
            raise self.wrong(name, f"At most {most} are allowed.")
        return [Parameters(found[index], self._refusal) for index in sorted(found)]

    def page(self, items: Sequence[T], *, default: int, low: int = 1, high: int) -> Page[T]:
        """Return the page for MaxResults and NextToken."""
        size = self.integer("MaxResults", default=default, low=low, high=high)
        start = self._decode(self.values.get("NextToken", ""))
        end = start + size
        next_token = _encode_token(end) if end < len(items) else ""
        return Page(items[start:end], next_token, size, len(items))

    def _decode(self, token: str) -> int:
        if not token:
            return 0
        try:
            text = base64.urlsafe_b64decode(token.encode()).decode()
        except (binascii.Error, UnicodeError):
            raise self.wrong("NextToken") from None
        if not (match := re.fullmatch(r"offset=([0-9]{1,9})", text)):
            raise self.wrong("NextToken")
        return int(match[1])

    def numbered_page(self, items: Sequence[T]) -> tuple[Sequence[T], dict[str, int]]:
        """Return the page for PageNumber and PageSize, with its fields of the answer."""
        number = self.integer("PageNumber", default=1, low=1, high=1_000_000)
        size = self.integer("PageSize", default=10, low=1, high=50)
        fields = {"PageNumber": number, "PageSize": size, "TotalCount": len(items)}
        return items[(number - 1) * size : number * size], fields


def _encode_token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset={offset}".encode()).decode()
