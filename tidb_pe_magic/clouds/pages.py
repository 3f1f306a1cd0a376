"""Paged lists: return every item once or raise an error; never return a part as if it were the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.json_fields import mapping, mappings, number, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of a list.

    Attributes:
        items: as the API sent them.
        token: of the next page; empty on the last page.
        total: number of items of the whole list; None if the API does not report it.
    """

    items: Sequence[dict[str, Any]]
    token: str = ""
    total: int | None = None


def read_page(operation: str, body: dict[str, Any], *path: str, needs: Sequence[str]) -> Page:
    """Return the page in an answer.

    An answer without its list is not an empty list: otherwise a caller would create what already exists.

    Args:
        operation: the API operation.
        body: the answer.
        path: the field names that lead to the list, outermost first.
        needs: fields that every item must have, because decisions depend on them.

    Raises:
        ServiceUnavailable: the list or one of these fields is missing.
    """
    found: Any = body
    for name in path:
        found = mapping(found).get(name)
    total = number(body, "TotalCount") if "TotalCount" in body else None
    if found is None and total == 0:
        found = []
    if not isinstance(found, list):
        raise unusable(operation, f"it lacks {'.'.join(path)}")
    items = mappings(found)
    for item in items:
        for field in needs:
            if item.get(field) is None:
                raise unusable(operation, f"an item lacks {field}")
    return Page(items=items, token=text(body, "NextToken"), total=total)


def by_token(operation: str, call: Callable[[str], Page]) -> Iterator[dict[str, Any]]:
    """Follow the tokens until one is empty; a repeated token would never end.

    Raises:
        ServiceUnavailable: a page repeats.
    """
    token, seen = "", set[str]()
    while True:
        page = call(token)
        yield from page.items
        token = page.token
        if not token:
            return
        if token in seen:
            raise unusable(operation, "the list repeats a page")
        seen.add(token)


def by_number(operation: str, key: str, call: Callable[[int], Page]) -> Iterator[dict[str, Any]]:
    """Read pages until the number of items reaches the API's total, or a page is empty.

    Args:
        operation: the API operation.
        key: the field that identifies an item.
        call: returns the page with a number, from 1.

    Raises:
        ServiceUnavailable: an item is repeated.
    """
    seen = set[str]()
    number_of_page = 1
    while True:
        page = call(number_of_page)
        for item in page.items:
            name = str(item[key])
            if name in seen:
                raise unusable(operation, "the list repeats a page")
            seen.add(name)
            yield item
        if not page.items or (page.total is not None and len(seen) >= page.total):
            return
        number_of_page += 1


def unusable(operation: str, reason: str) -> errors.ServiceUnavailable:
    """Return the error for an unusable answer."""
    return errors.ServiceUnavailable(
        f"the answer cannot be used: {reason}.", operation=operation, advice="Try again."
    )
