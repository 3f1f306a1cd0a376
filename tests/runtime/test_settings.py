"""Keys and hosts are looked up once per call."""

from __future__ import annotations

from credentials.rings import Ring, using
from flows.places import GROUP, VPC

from tidb_pe_magic import Runbook
from tidb_pe_magic.sandbox import Sandbox


class CountingRing(Ring):
    """A keyring that counts its lookups."""

    def __init__(self, passwords: dict[tuple[str, str], str]) -> None:
        """Store the passwords, with the count at zero."""
        super().__init__(passwords)
        self.asked: list[tuple[str, str]] = []

    def get_password(self, service: str, username: str) -> str | None:
        """Count the lookup, and return the password."""
        self.asked.append((service, username))
        return super().get_password(service, username)


def test_a_call_asks_the_keyring_once_for_each_key() -> None:
    """However many clients a creation needs, each secret is read once; the next call reads it again."""
    with Sandbox(flights=10) as sandbox:
        environ = dict(sandbox.environment())
        secrets = {
            ("tidbcloud", environ["TIDBCLOUD_PUBLIC_KEY"]): environ.pop("TIDBCLOUD_PRIVATE_KEY"),
            ("alibabacloud", environ["ALIBABA_CLOUD_ACCESS_KEY_ID"]): environ.pop(
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
            ),
        }
        ring = CountingRing(secrets)
        with using(ring), Runbook(environ=environ) as runbook:
            runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
            assert sorted(ring.asked) == sorted(secrets)
            runbook.verify()
            assert sorted(ring.asked) == sorted([*secrets, *secrets])
