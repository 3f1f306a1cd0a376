"""The issuer and the expiry date of a certificate, read from its DER form.

Python decodes a peer's certificate only after verification. To explain a rejected certificate, this module
reads the few fields that a reader needs; they are not used for decisions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEQUENCE = 0x30
_EXPLICIT_VERSION = 0xA0
_UTC_TIME = 0x17
_LONG_FORM = 0x80
_CENTURY_PIVOT = 50  # RFC 5280, 4.1.2.5.1: two-digit years from 50 on are 19xx
_COMMON_NAME = bytes.fromhex("550403")
_ORGANIZATION = bytes.fromhex("55040a")


class CertificateSummary(NamedTuple):
    """The reported fields of a rejected certificate; a field that could not be read is empty."""

    issuer: str
    not_after: str


def summarize(der: bytes) -> CertificateSummary:
    """Return the issuer (common name, else organization) and the last day of validity."""
    try:
        _, certificate = next(_elements(der))
        _, body = next(_elements(certificate))
        fields = [element for element in _elements(body) if element[0] != _EXPLICIT_VERSION]
        # RFC 5280, 4.1: serial number, signature, issuer, validity, subject, ...
        _, issuer = fields[2]
        _, validity = fields[3]
        _, not_after = list(_elements(validity))
    except (IndexError, StopIteration, ValueError):
        return CertificateSummary("", "")
    return CertificateSummary(_name(issuer), _day(*not_after))


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & _LONG_FORM:
            size = length & ~_LONG_FORM
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        yield tag, data[position : position + length]
        position += length


def _name(issuer: bytes) -> str:
    found: dict[bytes, str] = {}
    for _, relative_name in _elements(issuer):
        for tag, attribute in _elements(relative_name):
            if tag == _SEQUENCE:
                (_, kind), (_, value) = list(_elements(attribute))[:2]
                found[kind] = value.decode("utf-8", "replace")
    return found.get(_COMMON_NAME) or found.get(_ORGANIZATION, "")


def _day(tag: int, value: bytes) -> str:
    text = value.decode("ascii", "replace")
    if tag == _UTC_TIME:
        text = ("19" if int(text[:2]) >= _CENTURY_PIVOT else "20") + text
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}"
