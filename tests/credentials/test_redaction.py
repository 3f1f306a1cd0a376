"""An error's text contains neither values nor secrets."""

from __future__ import annotations

import base64
import json
import os
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidb_pe_magic.credentials.redaction import (
    bug_error,
    hide_values,
    presentable,
    redact,
    without_values,
)
from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.errors import NotFound, TidbPeError, UnexpectedError

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUE = "canary-of-redaction/Key+4a71=="


#: Also halves of surrogate pairs, which stand for bytes of the environment that are not UTF-8.
ANY_TEXT = st.text(st.characters(categories=None))


def encodings(value: str) -> Iterator[bytes]:
    """Yield the bytes of a value as programs encode it."""
    for handler in ("surrogatepass", "surrogateescape"):
        with suppress(UnicodeEncodeError):
            yield value.encode("utf-8", handler)


@given(st.text(st.characters(categories=None), min_size=4, max_size=60), ANY_TEXT, ANY_TEXT)
@example("canary\udce9", "", "")
def test_a_secret_is_cut_in_every_form(value: str, before: str, after: str) -> None:
    """A secret is removed as plain text, percent-encoded once or twice, in JSON, in a repr and in Base64."""
    secret = Secret(value)
    forms = [value, json.dumps(value)[1:-1], repr(value)[1:-1]]
    for raw in encodings(value):
        once = quote(raw, safe="")
        forms += [once, quote(once, safe=""), quote_plus(raw), base64.b64encode(raw).decode()]
    for form in forms:
        assert form not in redact(f"{before} {form} {after}", {}).replace("***", "\0")
    assert secret


def test_variables_are_known_by_their_names_and_proxies_by_their_passwords() -> None:
    """Values of secret variables and passwords in URLs are removed; paths and other values remain."""
    environ = {
        "TIDB_PASSWORD": "canary-password\n",
        "MY_TOKEN": "canary-token",
        "HTTPS_PROXY": "http://user:canary-proxy@proxy:3128",
        "SERVICE_TOKEN_FILE": "/run/token-file",
        "LANG": "C.UTF-8-and-more",
    }
    shown = redact(" ".join(environ.values()), environ)
    assert "canary" not in shown
    assert "/run/token-file" in shown
    assert "C.UTF-8-and-more" in shown


def test_a_secret_that_is_gone_is_forgotten() -> None:
    """The registry holds no secret alive, and a second secret of the same value counts while it lives."""
    value = "only-of-this-test"
    first, second = Secret(value), Secret(value)
    assert redact(value, {}) == "***"
    del first
    assert redact(value, {}) == "***"
    del second
    assert redact(value, {}) == value


def test_a_bug_becomes_its_text() -> None:
    """The entire chain of tracebacks becomes text without frames, and the message omits the secret."""
    secret = Secret(VALUE)

    def fail() -> None:
        try:
            os.environ["INNER"]
        except KeyError as error:
            raise RuntimeError(f"with {secret.reveal()}") from error

    failure: UnexpectedError | None = None
    try:
        fail()
    except RuntimeError as error:
        failure = bug_error(error, {})
    assert failure is not None
    assert "KeyError: 'INNER'" in failure.trace
    assert "direct cause" in failure.trace
    assert "RuntimeError: with ***" in failure.trace
    assert VALUE not in "".join(traceback.format_exception(failure)) + repr(vars(failure))
    assert (failure.__cause__, failure.__context__, failure.__traceback__) == (None, None, None)
    assert failure._render_traceback_()[-1].startswith("UnexpectedError: RuntimeError: with *** (a bug")


def test_an_expected_error_stays_itself_without_frames_and_secrets() -> None:
    """An expected error keeps its type; its message and advice omit secrets, and it reaches no frames."""
    secret = Secret(VALUE)

    @without_values()
    def fail() -> None:
        try:
            os.environ["INNER"]
        except KeyError:
            raise NotFound(f"no {secret.reveal()}", operation="Get", advice=f"Try {secret.reveal()}")  # noqa: B904

    with pytest.raises(NotFound, match=r"Get failed: no \*\*\* Try \*\*\*") as caught:
        fail()
    assert VALUE not in f"{caught.value!r} {vars(caught.value)}"
    assert caught.value.__context__ is None


def test_the_python_api_preserves_harmless_errors() -> None:
    """An exception keeps its type and text in the Python API unless its message repeats a secret."""
    secret = Secret(VALUE)
    harmless, telling = ValueError("of the user's own"), ValueError(f"with {secret.reveal()}")
    assert hide_values(harmless, {}) is harmless
    assert isinstance(hide_values(telling, {}), UnexpectedError)
    expected = TidbPeError("expected")
    assert hide_values(expected, {}) is expected


def test_the_stop_button_stays_the_stop_button() -> None:
    """KeyboardInterrupt is raised again without the frames it passed through, and shown as text."""

    @without_values()
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted()
    assert caught.value.__context__ is None
    lines = caught.value._render_traceback_()  # type: ignore[attr-defined]
    assert lines[-1] == "KeyboardInterrupt"
    assert presentable(SystemExit(3)).args == (3,)
