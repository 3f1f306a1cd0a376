"""Lists that come in pages."""

from __future__ import annotations

from typing import Any

import pytest

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.pages import Page, by_number, by_token, read_page


def test_pages_are_counted_until_the_total_is_there() -> None:
    """Every item comes once, and reading stops at the total."""
    pages = {1: Page(items=[{"Id": "a"}, {"Id": "b"}], total=3), 2: Page(items=[{"Id": "c"}], total=3)}
    assert [item["Id"] for item in by_number("List", "Id", pages.__getitem__)] == ["a", "b", "c"]


@pytest.mark.parametrize("ident", ["a", 7, {"not": "a name"}, ["a"]])
def test_an_item_that_comes_again_is_an_error(ident: Any) -> None:
    """A repeated item is an error, even if its name has an unexpected type."""
    with pytest.raises(errors.ServiceUnavailable, match="repeats a page"):
        list(by_number("List", "Id", lambda _number: Page(items=[{"Id": ident}])))


def test_a_token_that_comes_again_is_an_error() -> None:
    """A repeated page token is an error, because following it would never end."""
    with pytest.raises(errors.ServiceUnavailable, match="repeats a page"):
        list(by_token("List", lambda _token: Page(items=[], token="same")))


@pytest.mark.parametrize(
    "body", [{}, {"Vpcs": {}}, {"Vpcs": {"Vpc": None}}, {"Vpcs": {"Vpc": [{"Other": 1}]}}]
)
def test_an_answer_without_its_list_is_not_an_empty_list(body: dict[str, Any]) -> None:
    """An answer without its list, or with an unnamed item, is an error."""
    with pytest.raises(errors.ServiceUnavailable, match="lacks"):
        read_page("DescribeVpcs", body, "Vpcs", "Vpc", needs=("VpcId",))
