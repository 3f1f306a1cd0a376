"""The keys of both emulated clouds, valid for one sandbox only."""

from __future__ import annotations

import secrets
from typing import Final

PUBLIC_KEY: Final = "sandbox-public"
_SECRETS: Final = ("_KEY", "_KEY_ID", "_SECRET", "_PASSWORD")


class Environment(dict[str, str]):
    """Variables and their values, with a repr without secrets, for example in a failed test's report."""

    def __repr__(self) -> str:
        """Show keys and passwords as `***`."""
        shown = {name: "***" if name.endswith(_SECRETS) else value for name, value in self.items()}
        return repr(shown)


class Keys:
    """One key of each cloud; the clouds look up the keys at each call.

    Attributes:
        tidb_cloud: public key to private key.
        alibaba: access key ID to its secret.
    """

    def __init__(self) -> None:
        """Create the keys."""
        self.tidb_cloud: dict[str, str] = {}
        self.alibaba: dict[str, str] = {}
        self.renew()

    def renew(self) -> None:
        """Replace the keys; the old ones become invalid."""
        self.tidb_cloud.clear()
        self.tidb_cloud[PUBLIC_KEY] = secrets.token_urlsafe(24)
        self.alibaba.clear()
        self.alibaba["LTAI5tSandbox" + secrets.token_hex(6)] = secrets.token_urlsafe(24)

    def environment(self) -> dict[str, str]:
        """Return the variables with the keys."""
        ((public_key, private_key),) = self.tidb_cloud.items()
        ((access_key_id, access_key_secret),) = self.alibaba.items()
        return {
            "TIDBCLOUD_PUBLIC_KEY": public_key,
            "TIDBCLOUD_PRIVATE_KEY": private_key,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": access_key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": access_key_secret,
        }
