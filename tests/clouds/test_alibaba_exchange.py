"""The message when the SDK's providers cannot obtain a temporary key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tidb_pe_magic.clouds.alibaba.role_keys import exchange
from tidb_pe_magic.credentials.search import Chain, KeyMatch
from tidb_pe_magic.errors import MissingCredentials

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "config",
    [
        {"profiles": [None, 7, {"name": "p", "mode": "CloudSSO", "access_key_secret": "S3cretS3cret"}]},
        {"profiles": None},
        [],
    ],
    ids=["invalid profiles", "no profiles", "a list"],
)
def test_a_profile_file_of_any_shape_is_one_line(tmp_path: Path, config: object) -> None:
    """Whatever the CLI's file contains, the error is one line with the reason and without parts of a key."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    chain = Chain(kind="cli", profile="p", path=str(path))
    with pytest.raises(MissingCredentials) as failure:
        exchange(KeyMatch(place=f"{path}, profile p", chain=chain)).renew()
    assert failure.value.__context__ is None
    assert "S3cret" not in str(failure.value)
