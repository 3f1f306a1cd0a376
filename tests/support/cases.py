"""One test over many cases, whose failures name the case."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def for_each(cases: Mapping[str, tuple[Any, ...]]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Return a decorator: one test item calls the function with each case, and reports every failure.

    Args:
        cases: the arguments of each case, by its name.
    """

    def decorate(check: Callable[..., None]) -> Callable[[], None]:
        def test() -> None:
            assert cases
            failures = [failure for name, case in cases.items() if (failure := _failure(name, check, case))]
            if failures:
                pytest.fail("\n".join((f"{len(failures)} of {len(cases)} cases:", *failures)), pytrace=False)

        test.__name__, test.__doc__, test.__module__ = check.__name__, check.__doc__, check.__module__
        return test

    return decorate


def _failure(name: str, check: Callable[..., None], case: tuple[Any, ...]) -> str:
    """Return the case's name and its failure, or an empty text."""
    try:
        check(*case)
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 - it is reported with its traceback
        return f"== {name}\n{traceback.format_exc(limit=-2)}"
    return ""
