"""A click waits for the page's earlier changes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ipywidgets import Widget

from tidb_pe_magic.errors import WaitTimeout
from tidb_pe_magic.notebook.forms.page_sync import PageSync

_SECONDS = 60.0


class Page:
    """A page's answers, as ipywidgets' link gives them, once allowed."""

    def __init__(self, page_sync: PageSync) -> None:
        """Receive the first question and answer immediately."""
        self.may_answer, self.asked = threading.Event(), threading.Event()
        self.may_answer.set()
        (question, attribute), (self._answer, answers) = page_sync._link.source, page_sync._link.target
        assert (attribute, answers) == ("value", "value")
        question.observe(self._ask, attribute)
        assert self._answer.value == question.value, "a page would answer at once, perhaps behind a cell"
        assert not page_sync.wait(threading.Event())
        assert page_sync.answers

    def _ask(self, change: Any) -> None:
        self.asked.set()
        threading.Thread(target=self._send, args=(change["new"],), daemon=True).start()

    def _send(self, value: str) -> None:
        self.may_answer.wait(_SECONDS)
        assert isinstance(self._answer, Widget)
        self._answer.set_state({"value": value})


@pytest.fixture
def page_sync() -> PageSync:
    """Provide the page synchronization."""
    return PageSync()


def test_without_a_page_a_click_is_not_held_up(page_sync: PageSync) -> None:
    """Without a page, as in an unattended notebook, a click proceeds after a moment."""
    assert not page_sync.wait(threading.Event())


def test_a_click_waits_for_the_page(page_sync: PageSync) -> None:
    """Whatever a page sends before its answer has arrived when the click proceeds, each time."""
    page = Page(page_sync)
    arrived: list[str] = []
    for _ in range(3):
        page.may_answer.clear()
        page.asked.clear()
        click = threading.Thread(target=lambda: arrived.append(f"click {page_sync.wait(threading.Event())}"))
        click.start()
        assert page.asked.wait(_SECONDS)
        arrived.append("typed")
        page.may_answer.set()
        click.join(_SECONDS)
    assert arrived == ["typed", "click False"] * 3


def test_a_page_that_is_gone_keeps_a_click_from_being_done() -> None:
    """If a page that answered before is silent now, changes may be missing, and the click is refused."""
    page_sync = PageSync(longest=0.1)
    page = Page(page_sync)
    page.may_answer.clear()
    with pytest.raises(WaitTimeout, match=r"that all input has arrived\. Click again\."):
        page_sync.wait(threading.Event())
    page.may_answer.set()


def test_cancel_ends_the_wait_for_the_page(page_sync: PageSync) -> None:
    """Cancel discards a click even if the page is gone."""
    page, cancelled = Page(page_sync), threading.Event()
    page.may_answer.clear()
    taken_back: list[bool] = []
    click = threading.Thread(target=lambda: taken_back.append(page_sync.wait(cancelled)))
    click.start()
    assert page.asked.wait(_SECONDS)
    cancelled.set()
    click.join(_SECONDS)
    assert taken_back == [True]
    page.may_answer.set()
