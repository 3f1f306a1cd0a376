"""Lists that come in pages: all of them once, or an error; never a part that looks like the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.json_fields import mapping, mappings, number, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of a list.

    Attributes:
        items: as the API has them.
        token: of the page after it; empty at the end.
        total: how many items the whole list has; None where the API does not tell.
    """

    items: Sequence[dict[str, Any]]
    token: str = ""
    total: int | None = None


def read_page(operation: str, body: dict[str, Any], *path: str, needs: Sequence[str]) -> Page:
    """Return the page that an answer holds.

    An answer without its list is not an empty list: otherwise a caller would create what exists.

    Args:
        operation: the API operation.
        body: the answer.
        path: the fields, from the outside, that lead to the list.
        needs: fields that every item has to have, for they decide what it is.

    Raises:
        ServiceUnavailable: the list is missing, or one of these fields.
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
    """Follow the token until it is empty; one that comes again would never end.

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
    """Count pages until there are as many items as the API says, or a page is empty.

    Args:
        operation: the API operation.
        key: the field of an item that no other item shares.
        call: returns the page of a number, from 1.

    Raises:
        ServiceUnavailable: an item comes again.
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
    """Return the error for an answer that cannot be relied on."""
    return errors.ServiceUnavailable(
        f"the answer cannot be used: {reason}.", operation=operation, advice="Try again."
    )
