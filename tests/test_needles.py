"""The search for secrets finds every one, so that an empty result has a meaning."""

from __future__ import annotations

import base64

import pytest
from support.needles import find_secrets, forms

SECRET = "hunter2/correct+horse"


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}!".encode(),
        b"?p=hunter2%2Fcorrect%2Bhorse&",
        SECRET.encode().hex().encode(),
        f"x{SECRET}x".encode("utf-16-le"),
        *(base64.b64encode(f"{'u' * shift}{SECRET}:more".encode()) for shift in range(3)),
    ],
)
def test_a_secret_is_found_in_every_form(text: bytes) -> None:
    """A secret is found in plain text, percent-encoded, in hexadecimal, UTF-16 and any Base64 context."""
    assert find_secrets({"name": SECRET}, {"place": text, "clean": b"nothing"}) == [("name", "place")]


def test_forms_are_long_enough_to_mean_something() -> None:
    """Every form is too long to occur by chance."""
    assert min(map(len, forms(SECRET))) > 12
