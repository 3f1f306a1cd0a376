"""Searches for secrets in every form that a file or a wire can contain."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping


def forms(secret: str) -> list[bytes]:
    """Return the secret as plain text, percent-encoded, hexadecimal, UTF-16, and Base64 at any offset."""
    raw = secret.encode()
    encoded = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 :] for shift in range(3)]
    # The ends of a piece of Base64 depend on the text around it.
    pieces = [each.rstrip(b"=")[:-2] for each in encoded]
    return [raw, quote(secret, safe="").encode(), raw.hex().encode(), secret.encode("utf-16-le"), *pieces]


def find_secrets(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Return the name and the location of each secret found."""
    return [
        (name, place)
        for name, secret in secrets.items()
        for place, content in places.items()
        if any(form in content for form in forms(secret))
    ]
