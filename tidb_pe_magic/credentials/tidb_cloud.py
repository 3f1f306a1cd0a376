"""TiDB Cloud's API key: a named ticloud profile, the environment, the current ticloud profile, the keyring.

ticloud stores its profiles in ~/.ticloud/config.toml (or config): TOML with one table for each profile, and
`current-profile` at the top level; names are case-insensitive, as in its library.

`ticloud auth login` stores a token: in the keyring, with service `ticloud_access_token` and the profile's
name as user, or, with --insecure-storage, in the profile; `token-expired-at` is in the profile in both cases.
As in ticloud, an API key of the profile comes first (source: tidbcloud-cli of 2026-05, and go-keyring, which
it uses).
"""

from __future__ import annotations

import base64
import sys
import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.advice import Advice, ShellCommand, Suggestion
from tidb_pe_magic.credentials.search import (
    KeyLocation,
    KeyMatch,
    Search,
    home,
    part,
    private_half,
    read_text,
    search,
    unusable_file,
)
from tidb_pe_magic.credentials.secrets import Key, Secret
from tidb_pe_magic.errors import InvalidRequest, MissingCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PUBLIC, PRIVATE = "TIDBCLOUD_PUBLIC_KEY", "TIDBCLOUD_PRIVATE_KEY"
PROFILE = "TIDBCLOUD_PROFILE"
"""The environment variable that names a ticloud profile."""
KEYRING = "tidbcloud"
"""The keyring's service; the user is the public key."""
LOGIN_KEYRING = "ticloud_access_token"
"""The service under which ticloud stores the token of a login; the user is the profile."""
_BASE64 = "go-keyring-base64:"
WHAT = "TiDB Cloud API key"

_FILES = ("config.toml", "config")
_ADVICE = Advice(
    "Create a key in the TiDB Cloud console (Organization Settings > API Keys), and set both halves in the "
    "environment before the kernel starts. The sandbox needs no account.",
    Suggestion("help", "keys"),
    Suggestion("sandbox", "start"),
)
_LOG_IN = Advice(_ADVICE.text, ShellCommand("ticloud auth login"), *_ADVICE.commands)
_CONFIGURE = Advice(_ADVICE.text, ShellCommand("ticloud config set"), *_ADVICE.commands)


def find(environ: Mapping[str, str], profile: str = "") -> KeyMatch:
    """Return the first key found.

    Args:
        environ: the environment.
        profile: ticloud profile that takes precedence.

    Raises:
        MissingCredentials: no key was found, or only one half.
        InvalidRequest: a file or a value cannot be used, or the profile does not exist.
    """
    return search_keys(environ, profile).require(WHAT, advice=_ADVICE)


def search_keys(environ: Mapping[str, str], profile: str = "", *, everywhere: bool = False) -> Search:
    """Search for the key; `everywhere` reads every place, even after a key was found."""
    named = environ.get(PROFILE, "").strip()
    files = tuple(home(environ) / ".ticloud" / name for name in _FILES)
    places = [
        KeyLocation(name=f"{PUBLIC} and {PRIVATE} in the environment", read=lambda: _environment(environ)),
        KeyLocation(
            name="ticloud's profile in ~/.ticloud/config.toml",
            read=lambda: _profile(environ, named, PROFILE),
            files=files,
        ),
    ]
    if profile:
        places.insert(
            0,
            KeyLocation(
                name=f"--profile {profile}",
                read=lambda: _profile(environ, profile, "--profile"),
                files=files,
            ),
        )
    return search(places, everywhere=everywhere)


def profile_names(environ: Mapping[str, str]) -> list[str]:
    """Return the names of ticloud's profiles; empty if its file cannot be used."""
    try:
        _, settings = _settings(environ)
    except InvalidRequest:
        return []
    return sorted(name for name, value in settings.items() if isinstance(value, dict))


def _environment(environ: Mapping[str, str]) -> KeyMatch | None:
    public, private = (part(environ.get(name, ""), name) for name in (PUBLIC, PRIVATE))
    if not public and not private:
        return None
    place = "the environment"
    if public and not private:
        private = private_half(KEYRING, public.reveal())
        place = f"{PUBLIC} and keyring:{KEYRING}"
    if public and private:
        return KeyMatch(place=place, key=Key(public.reveal(), private))
    missing = PRIVATE if public else PUBLIC
    where = [f"{PUBLIC} and {PRIVATE} in the environment, where {missing} is unset"]
    if public:
        where.append(f"keyring:{KEYRING}")
    raise MissingCredentials(WHAT, where, advice=_ADVICE)


def _profile(environ: Mapping[str, str], name: str, asked_by: str) -> KeyMatch | None:
    """Return the key of the named profile, else of the current one."""
    path, settings = _settings(environ)
    current = settings.get("current-profile")
    written = name or (current if isinstance(current, str) else "") or "default"
    wanted = written.lower()
    profile = settings.get(wanted)
    if not isinstance(profile, dict):
        if not name:
            return None
        known = ", ".join(sorted(key for key, value in settings.items() if isinstance(value, dict)))
        raise InvalidRequest(asked_by, f"{path} has no profile {name}. Its profiles: {known or 'none'}.")
    place = f"ticloud profile {wanted} in {path}"
    public = part(profile.get("public-key"), f"public-key of {place}")
    private = part(profile.get("private-key"), f"private-key of {place}")
    if public and not private:
        private = private_half(KEYRING, public.reveal())
    if public and private:
        return KeyMatch(
            place=place,
            key=Key(public.reveal(), private),
            api_host=_text(profile, "serverless-endpoint"),
            iam_host=_text(profile, "iam-endpoint"),
        )
    if any(profile.get(each) for each in ("token-type", "access-token", "token-expired-at")):
        return KeyMatch(
            place=f"the login of {place}",
            key=Key("", Secret(""), _login(profile, written, place)),
            api_host=_text(profile, "serverless-endpoint"),
            iam_host=_text(profile, "iam-endpoint"),
        )
    if not (name or public or private):
        return None
    lack = "no public-key" if private else f"no private-key in it or in keyring:{KEYRING}"
    reason = lack if public or private else "no API key"
    raise MissingCredentials(WHAT, (f"{place}, which has {reason}",), advice=_CONFIGURE)


def _login(profile: Mapping[str, Any], written: str, place: str) -> Secret:
    """Return the token of ticloud's login.

    Args:
        profile: its settings.
        written: the profile's name as typed, under which the keyring stores the token.
        place: its description in an error.

    Raises:
        MissingCredentials: the login has expired, or its token is missing.
    """
    expires = _moment(profile.get("token-expired-at"))
    if expires is None or expires <= datetime.now(UTC):
        when = f" on {expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if expires else ""
        raise MissingCredentials(WHAT, (f"{place}, whose login has expired{when}",), advice=_LOG_IN)
    token = part(profile.get("access-token"), f"access-token of {place}")
    if token:
        return token
    token = next(
        filter(None, (_keyring_token(user) for user in dict.fromkeys((written, written.lower())))), token
    )
    if not token:
        looked_in = f"{place}, whose login token is neither there nor in keyring:{LOGIN_KEYRING}"
        raise MissingCredentials(WHAT, (looked_in,), advice=_LOG_IN)
    return token


def _keyring_token(user: str) -> Secret:
    """Return the token that go-keyring stored.

    It uses its own names for entries on Windows, and encodes them on macOS.
    """
    service = f"{LOGIN_KEYRING}:{user}" if sys.platform == "win32" else LOGIN_KEYRING
    kept = private_half(service, user).reveal()
    if kept.startswith(_BASE64):
        try:
            kept = base64.b64decode(kept.removeprefix(_BASE64), validate=True).decode()
        except ValueError:
            kept = ""
    return part(kept, f"keyring {LOGIN_KEYRING}")


def _moment(value: object) -> datetime | None:
    """Return a TOML time, which ticloud writes with its offset; None if the value is not a time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value.astimezone(UTC) if isinstance(value, datetime) else None


def _settings(environ: Mapping[str, str]) -> tuple[Path, dict[str, Any]]:
    directory = home(environ) / ".ticloud"
    for name in _FILES:
        path = directory / name
        content = read_text(path)
        if content is not None:
            return path, _parse(path, content)
    return directory / _FILES[0], {}


def _parse(path: Path, content: str) -> dict[str, Any]:
    try:
        settings = tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError):
        reason = "it is not valid TOML"
    else:
        return _lower(settings)
    # Outside the handler: its error contains the file's content.
    raise unusable_file(path, reason)


def _lower(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as ticloud reads them: case-insensitive, and with older names with underscores."""
    return {
        name.lower(): {key.lower().replace("_", "-"): item for key, item in value.items()}
        if isinstance(value, dict)
        else value
        for name, value in (
            (name.replace("current_profile", "current-profile"), value) for name, value in settings.items()
        )
    }


def _text(settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name)
    return value.strip() if isinstance(value, str) else ""
