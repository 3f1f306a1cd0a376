"""Looks for secrets, in each form in which they would stand in a file or on a wire."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping


def forms(secret: str) -> list[bytes]:
    """Return the secret as it is, percent-encoded, in hexadecimal, as UTF-16, and in Base64 at any offset."""
    raw = secret.encode()
    encoded = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 :] for shift in range(3)]
    # The ends of a piece of Base64 depend on what stands beside it.
    pieces = [each.rstrip(b"=")[:-2] for each in encoded]
    return [raw, quote(secret, safe="").encode(), raw.hex().encode(), secret.encode("utf-16-le"), *pieces]


def found(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Return the name of each secret, and the place where it stands."""
    return [
        (name, place)
        for name, secret in secrets.items()
        for place, content in places.items()
        if any(form in content for form in forms(secret))
    ]
