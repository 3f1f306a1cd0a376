"""Text files as different editors write them."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.files import decode_text

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=1)


@given(TEXT)
def test_text_with_a_mark_and_without_is_the_same(text: str) -> None:
    """UTF-8 with or without a byte order mark, UTF-16 and UTF-32 with one, in either byte order, are read."""
    assert decode_text(text.encode()) == text
    assert decode_text(codecs.BOM_UTF8 + text.encode()) == text
    for mark, encoding in (
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ):
        assert decode_text(mark + text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("hunter2".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (b"hunter2\xff", "not valid UTF-8"),
        (codecs.BOM_UTF16_LE + b"hunter2", "not valid UTF-16"),
    ],
)
def test_an_undecodable_file_is_named_without_its_content(content: bytes, words: str) -> None:
    """The error names the encoding; neither its reason nor its chain contains the content."""
    with pytest.raises(UnicodeError, match=words) as caught:
        decode_text(content)
    assert "hunter2" not in f"{caught.value!r}"
    assert caught.value.__context__ is None


@given(st.binary())
def test_any_bytes_are_text_or_an_error(content: bytes) -> None:
    """Any bytes give a text or an error."""
    try:
        assert isinstance(decode_text(content), str)
    except UnicodeError as error:
        assert str(error)  # noqa: PT017 - both outcomes are right
