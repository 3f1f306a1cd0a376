"""TiDB Cloud's key from ticloud's profiles, the environment and the keyring, in the documented order."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import httpx
import pytest
from credentials.rings import Ring, using
from support.secrets_in_traceback import holders

from tidb_pe_magic import Runbook
from tidb_pe_magic.credentials import tidb_cloud
from tidb_pe_magic.credentials.secrets import Key, Secret
from tidb_pe_magic.errors import AuthenticationFailed, InvalidRequest, MissingCredentials, TidbPeError
from tidb_pe_magic.model import KeyState
from tidb_pe_magic.sandbox.http_server import HttpServer
from tidb_pe_magic.sandbox.tidb_cloud.app import create_app
from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore

if TYPE_CHECKING:
    from pathlib import Path

    from tidb_pe_magic.sandbox import Sandbox

HIDDEN = "hunter2-private"
CONFIG = f"""
current-profile = "staging"

[default]
public-key = "default-public"
private-key = "{HIDDEN}-default"

[Staging]
Public_Key = "staging-public"
private_key = "{HIDDEN}-staging"
serverless-endpoint = "https://serverless.example.com"

[login]
token-type = "Bearer"
access-token = "{HIDDEN}-token"

[half]
public-key = "half-public"
"""
KEYS = {"TIDBCLOUD_PUBLIC_KEY": "env-public", "TIDBCLOUD_PRIVATE_KEY": f"{HIDDEN}-env"}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Provide the environment of a user with a configured ticloud."""
    directory = tmp_path / ".ticloud"
    directory.mkdir()
    (directory / "config.toml").write_text(CONFIG, encoding="utf-8")
    return {"HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("variables", "profile", "public"),
    [
        ({}, "", "staging-public"),
        ({"TIDBCLOUD_PROFILE": "default"}, "", "default-public"),
        ({"TIDBCLOUD_PROFILE": "STAGING"}, "", "staging-public"),
        ({"TIDBCLOUD_PROFILE": "default", **KEYS}, "", "env-public"),
        (KEYS, "default", "default-public"),
    ],
)
def test_the_first_place_in_the_order_is_used(
    environ: dict[str, str], variables: dict[str, str], profile: str, public: str
) -> None:
    """A named profile comes first, then the environment's key, then the environment's profile."""
    found = tidb_cloud.find(environ | variables, profile)
    assert found.own_key.public == public
    assert found.own_key.private.reveal().startswith(HIDDEN)


def test_the_older_name_of_the_file_is_read(environ: dict[str, str], tmp_path: Path) -> None:
    """Without a config.toml, ticloud reads config; a profile's own API host comes with its key."""
    (tmp_path / ".ticloud" / "config.toml").rename(tmp_path / ".ticloud" / "config")
    found = tidb_cloud.find(environ)
    assert found.api_host == "https://serverless.example.com"
    assert found.place == f"ticloud profile staging in {tmp_path}/.ticloud/config"


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ("prod", r"has no profile prod\. Its profiles: default, half, login, staging"),
        ("login", r"whose login has expired.*ticloud auth login"),
        ("half", r"no private-key in it or in keyring:tidbcloud"),
    ],
)
def test_a_profile_without_a_key_says_why(environ: dict[str, str], profile: str, reason: str) -> None:
    """A profile without a key is an error without secrets, and no other key replaces it."""
    with pytest.raises(TidbPeError, match=reason) as caught:
        tidb_cloud.find(environ | dict.fromkeys(KEYS, "another"), profile)
    assert holders(caught.value, HIDDEN) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f'private-key = "{HIDDEN}'.encode(), "it is not valid TOML"),
        (HIDDEN.encode() + b"\xe9", "it is not valid UTF-8"),
        (
            f'[default]\npublic-key="a"\nprivate-key="{HIDDEN} {HIDDEN}"'.encode(),
            "private-key of ticloud profile",
        ),
        (HIDDEN.encode() * 100_000, "too large for a file of keys"),
    ],
)
def test_a_broken_file_is_named_with_its_reason(
    environ: dict[str, str], tmp_path: Path, content: bytes, reason: str
) -> None:
    """A broken file gives one line with its name and the reason, without its content."""
    (tmp_path / ".ticloud" / "config.toml").write_bytes(content)
    with pytest.raises(InvalidRequest, match=reason) as caught:
        tidb_cloud.find(environ)
    assert str(tmp_path) in str(caught.value)
    assert holders(caught.value, HIDDEN) == []


def test_a_directory_in_the_files_place_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    """A directory in place of a file is refused, not skipped."""
    (tmp_path / ".ticloud" / "config.toml").unlink()
    (tmp_path / ".ticloud" / "config.toml").mkdir()
    with pytest.raises(InvalidRequest, match="it is not a regular file"):
        tidb_cloud.find(environ)


def test_the_keyring_completes_a_public_key(environ: dict[str, str]) -> None:
    """The keyring may hold the private half under the public one, for a variable and for a profile."""
    ring = Ring({("tidbcloud", "env-public"): HIDDEN, ("tidbcloud", "half-public"): f"{HIDDEN}\n"})
    with using(ring):
        found = tidb_cloud.find(environ | {"TIDBCLOUD_PUBLIC_KEY": "env-public"})
        assert found.own_key == Key("env-public", Secret(HIDDEN))
        assert found.place == "TIDBCLOUD_PUBLIC_KEY and keyring:tidbcloud"
        assert tidb_cloud.find(environ, "half").own_key == Key("half-public", Secret(HIDDEN))


def test_a_locked_keyring_says_so(environ: dict[str, str]) -> None:
    """The error contains the keyring's own reason."""
    with using(Ring({}, locked=True)), pytest.raises(MissingCredentials, match="collection is locked"):
        tidb_cloud.find(environ, "half")


def test_every_place_is_shown_in_the_order_in_which_it_counts(environ: dict[str, str]) -> None:
    """Every place is shown in its order, including skipped places and a broken one after the place in use."""
    states = [place.state for place in tidb_cloud.search_keys(environ | KEYS, everywhere=True).places]
    assert states == [KeyState.USED, KeyState.PASSED_OVER]
    broken = tidb_cloud.search_keys(environ | KEYS | {"TIDBCLOUD_PROFILE": "prod"}, everywhere=True)
    assert [place.state for place in broken.places] == [KeyState.USED, KeyState.BROKEN]
    assert broken.problem is None


def test_a_profile_is_used_for_the_whole_runbook(sandbox: Sandbox, tmp_path: Path) -> None:
    """The key and the API host of a ticloud profile list the clusters, and each result names the host."""
    settings = sandbox.environment()
    url = settings.pop("TIDBCLOUD_SERVERLESS_ENDPOINT")
    # One server answers for both APIs; this name makes it a different host.
    iam_url = settings.pop("TIDBCLOUD_IAM_ENDPOINT").replace("127.0.0.1", "localhost")
    public, private = (settings.pop(f"TIDBCLOUD_{half}_KEY") for half in ("PUBLIC", "PRIVATE"))
    (tmp_path / ".ticloud").mkdir()
    (tmp_path / ".ticloud" / "config.toml").write_text(
        f'[work]\npublic-key = "{public}"\nprivate-key = "{private}"\n'
        f'serverless-endpoint = "{url}"\niam-endpoint = "{iam_url}"\n',
        encoding="utf-8",
    )
    with Runbook(environ=settings | {"HOME": str(tmp_path)}, profile="work") as runbook:
        assert url in runbook.clusters().via
        identity = runbook.whoami()
        assert identity.tidb_cloud.works
        assert identity.tidb_cloud.source.startswith("ticloud profile work")
        assert identity.rate is not None
        assert 0 < identity.rate.remaining < identity.rate.limit == 100
        with pytest.raises(InvalidRequest, match="no profile other"):
            runbook.whoami(profile="other")
        assert runbook.whoami(profile="WORK").tidb_cloud.works
        assert {url, iam_url} <= set(runbook.sql_user("list", cluster="demo").via)
        assert private not in repr(identity)


@pytest.mark.parametrize(("mode", "told"), [(0o600, False), (0o644, True), (0o640, True)])
def test_a_file_that_others_can_read_is_reported(tmp_path: Path, mode: int, told: bool) -> None:  # noqa: FBT001 - a case
    """A file that other users can read is used, and the search shows the command that restricts it."""
    path = tmp_path / ".ticloud" / "config.toml"
    path.parent.mkdir()
    path.write_text('[default]\npublic-key = "p"\nprivate-key = "hunter2"\n', encoding="utf-8")
    path.chmod(mode)
    searched = tidb_cloud.search_keys({"HOME": str(tmp_path)})
    assert searched.found is not None
    assert (f"chmod 600 {path}" in searched.places[-1].detail) is told


def logged_in(tmp_path: Path, *, expires: str, token: str = "", name: str = "Work") -> dict[str, str]:
    """Write the profile that `ticloud auth login` creates, and return the user's environment."""
    directory = tmp_path / ".ticloud"
    directory.mkdir(exist_ok=True)
    kept = f'access-token = "{token}"\n' if token else ""
    (directory / "config.toml").write_text(
        f'current-profile = "{name}"\n[{name.lower()}]\n{kept}token-expired-at = {expires}\n'
        'token-type = "Bearer"\n',
        encoding="utf-8",
    )
    return {"HOME": str(tmp_path)}


def in_hours(hours: float) -> str:
    """Write a time as ticloud's TOML library does: nine digits of a second, and an offset."""
    moment = datetime.now(UTC) + timedelta(hours=hours)
    return f"{moment.astimezone(timezone(timedelta(hours=8))):%Y-%m-%dT%H:%M:%S}.123456789+08:00"


@pytest.mark.parametrize("store", ["profile", "keyring", "keyring, lower case", "keyring of macOS"])
def test_the_login_of_ticloud_is_read_where_ticloud_keeps_it(tmp_path: Path, store: str) -> None:
    """The token comes from the profile, or from the keyring under the profile's name, and is never shown."""
    token = f"{HIDDEN}-login"
    encoded = "go-keyring-base64:" + base64.b64encode(token.encode()).decode()
    ring = {
        "profile": {},
        "keyring": {("ticloud_access_token", "Work"): token},
        "keyring, lower case": {("ticloud_access_token", "work"): token},
        "keyring of macOS": {("ticloud_access_token", "Work"): encoded},
    }[store]
    environ = logged_in(tmp_path, expires=in_hours(1), token=token if store == "profile" else "")
    with using(Ring(ring)):
        found = tidb_cloud.find(environ)
    assert found.place == f"the login of ticloud profile work in {tmp_path}/.ticloud/config.toml"
    key = found.own_key
    assert (key.public, bool(key.private)) == ("", False)
    assert key.token is not None
    assert key.token.reveal() == token
    assert token not in repr(found)


@pytest.mark.parametrize(
    ("expires", "reason"),
    [
        (-1, r"whose login has expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC.*ticloud auth login"),
        ('"some time"', r"whose login has expired"),
        (1, r"whose login token is neither there nor in keyring:ticloud_access_token"),
    ],
)
def test_a_login_that_is_over_is_said_to_be(tmp_path: Path, expires: int | str, reason: str) -> None:
    """An expired login or a missing token ends the search with the command to run."""
    # Every worker must collect the same parameters, so the hours from now become a time here.
    environ = logged_in(tmp_path, expires=in_hours(expires) if isinstance(expires, int) else expires)
    with using(Ring({})), pytest.raises(MissingCredentials, match=reason):
        tidb_cloud.find(environ)


def test_an_api_key_of_the_profile_comes_before_its_login(tmp_path: Path) -> None:
    """An API key in the profile has priority over its login, as in ticloud."""
    environ = logged_in(tmp_path, expires=in_hours(1), token=f"{HIDDEN}-login")
    path = tmp_path / ".ticloud" / "config.toml"
    path.write_text(path.read_text(encoding="utf-8") + f'public-key = "p"\nprivate-key = "{HIDDEN}"\n')
    assert tidb_cloud.find(environ).own_key == Key("p", Secret(HIDDEN))


def test_a_login_lists_clusters_and_projects_until_it_is_refused(tmp_path: Path) -> None:
    """The API gets the token in ticloud's form; a refused token gives the advice `ticloud auth login`."""
    store = ClusterStore(port=4000)
    tokens = {f"{HIDDEN}-login": "owner@example.com"}
    environ = logged_in(tmp_path, expires=in_hours(1), token=f"{HIDDEN}-login")
    with HttpServer(create_app(store, {}, tokens=tokens)) as server:
        environ |= {"TIDBCLOUD_SERVERLESS_ENDPOINT": server.url, "TIDBCLOUD_IAM_ENDPOINT": server.url}
        with Runbook(environ=environ) as runbook:
            assert "demo" in [cluster.display_name for cluster in runbook.clusters()]
            identity = runbook.whoami().tidb_cloud
        assert (identity.works, identity.hint) == (True, "")
        assert identity.source.startswith("the login of ticloud profile work")
        bearer = {"Authorization": f"Bearer {HIDDEN}-login"}
        answer = httpx.get(f"{server.url}/v1beta1/projects", headers=bearer)
        assert [project["cluster_count"] for project in answer.json()["projects"]] == [9, 4]
        logged_in(tmp_path, expires=in_hours(1), token=f"{HIDDEN}-other")
        with Runbook(environ=environ) as runbook:
            with pytest.raises(
                AuthenticationFailed, match=r"public_key not found.*ticloud auth login"
            ) as caught:
                runbook.clusters()
            assert holders(caught.value, HIDDEN) == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_that_windows_wrote_is_read(tmp_path: Path, encoding: str) -> None:
    """A byte order mark and CRLF, as PowerShell and Notepad write them, are ignored."""
    path = tmp_path / ".ticloud" / "config.toml"
    path.parent.mkdir()
    path.write_bytes('[default]\r\npublic-key = "pub"\r\nprivate-key = "private"\r\n'.encode(encoding))
    key = tidb_cloud.find({"HOME": str(tmp_path)}).own_key
    assert (key.public, key.private.reveal()) == ("pub", "private")
