"""TiDB Cloud's API key: a named ticloud profile, the environment, the current ticloud profile, the keyring.

ticloud keeps its profiles in ~/.ticloud/config.toml (or config): TOML, one table for each profile, and
`current-profile` beside them; names are compared without regard to case, as its library does.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.credentials.search import (
    Found,
    Place,
    Search,
    broken,
    home,
    part,
    private_half,
    read,
    search,
)
from tidb_pe_magic.credentials.secrets import Key
from tidb_pe_magic.errors import InvalidRequest, MissingCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PUBLIC, PRIVATE = "TIDBCLOUD_PUBLIC_KEY", "TIDBCLOUD_PRIVATE_KEY"
PROFILE = "TIDBCLOUD_PROFILE"
"""The environment variable that names a ticloud profile."""
KEYRING = "tidbcloud"
"""The keyring's service; its user is the public key."""
WHAT = "TiDB Cloud API key"

_FILES = ("config.toml", "config")
_ADVICE = (
    "Make a key in the TiDB Cloud console (Organization Settings > API Keys) and set both in the "
    "environment, before a kernel starts; to try without an account: %tidb_pe sandbox start"
)


def find(environ: Mapping[str, str], profile: str = "") -> Found:
    """Return the key that counts.

    Args:
        environ: the environment.
        profile: ticloud profile that comes before everything else.

    Raises:
        MissingCredentials: there is none, or half of one.
        InvalidRequest: a file or a value cannot be used, or there is no such profile.
    """
    return look(environ, profile).needed(WHAT, advice=_ADVICE)


def look(environ: Mapping[str, str], profile: str = "", *, everywhere: bool = False) -> Search:
    """Look for the key; `everywhere` looks at every place, also after one was found."""
    named = environ.get(PROFILE, "").strip()
    files = tuple(home(environ) / ".ticloud" / name for name in _FILES)
    places = [
        Place(name=f"{PUBLIC} and {PRIVATE} in the environment", look=lambda: _environment(environ)),
        Place(
            name="ticloud's profile in ~/.ticloud/config.toml",
            look=lambda: _profile(environ, named, PROFILE),
            files=files,
        ),
    ]
    if profile:
        places.insert(
            0,
            Place(
                name=f"--profile {profile}",
                look=lambda: _profile(environ, profile, "--profile"),
                files=files,
            ),
        )
    return search(places, everywhere=everywhere)


def profile_names(environ: Mapping[str, str]) -> list[str]:
    """Return the names of ticloud's profiles; none where its file cannot be used."""
    try:
        _, settings = _settings(environ)
    except InvalidRequest:
        return []
    return sorted(name for name, value in settings.items() if isinstance(value, dict))


def _environment(environ: Mapping[str, str]) -> Found | None:
    public, private = (part(environ.get(name, ""), name) for name in (PUBLIC, PRIVATE))
    if not public and not private:
        return None
    place = "the environment"
    if public and not private:
        private = private_half(KEYRING, public.reveal())
        place = f"{PUBLIC} and keyring:{KEYRING}"
    if public and private:
        return Found(place=place, key=Key(public.reveal(), private))
    missing = PRIVATE if public else PUBLIC
    where = [f"{PUBLIC} and {PRIVATE} in the environment, where {missing} is unset"]
    if public:
        where.append(f"keyring:{KEYRING}")
    raise MissingCredentials(WHAT, where, advice=_ADVICE)


def _profile(environ: Mapping[str, str], name: str, asked_by: str) -> Found | None:
    """Return the key of the profile that is named, else of the current one."""
    path, settings = _settings(environ)
    current = settings.get("current-profile")
    wanted = (name or (current if isinstance(current, str) else "") or "default").lower()
    profile = settings.get(wanted)
    if not isinstance(profile, dict):
        if not name:
            return None
        known = ", ".join(sorted(key for key, value in settings.items() if isinstance(value, dict)))
        raise InvalidRequest(asked_by, f"{path} has no profile {name}; it has {known or 'none'}.")
    place = f"ticloud profile {wanted} in {path}"
    public = part(profile.get("public-key"), f"public-key of {place}")
    private = part(profile.get("private-key"), f"private-key of {place}")
    if public and not private:
        private = private_half(KEYRING, public.reveal())
    if public and private:
        return Found(
            place=place,
            key=Key(public.reveal(), private),
            api_host=_text(profile, "serverless-endpoint"),
            iam_host=_text(profile, "iam-endpoint"),
        )
    login = bool(profile.get("token-type") or profile.get("access-token"))
    if not (name or public or private or login):
        return None
    lack = "no public-key" if private else f"no private-key, nor has keyring:{KEYRING}"
    reason = (
        "a login of ticloud's, which is no API key" if login else lack if public or private else "no API key"
    )
    raise MissingCredentials(
        WHAT, (f"{place}, which has {reason}",), advice=f"Run ticloud config set. {_ADVICE}"
    )


def _settings(environ: Mapping[str, str]) -> tuple[Path, dict[str, Any]]:
    directory = home(environ) / ".ticloud"
    for name in _FILES:
        path = directory / name
        content = read(path)
        if content is not None:
            return path, _parsed(path, content)
    return directory / _FILES[0], {}


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    try:
        settings = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        reason = "it is no UTF-8"
    except (tomllib.TOMLDecodeError, RecursionError):
        reason = "it is no TOML"
    else:
        return _lowered(settings)
    # Outside the handler: its error holds the file's content.
    raise broken(path, reason)


def _lowered(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as ticloud reads them: without regard to case, and older names with underscores."""
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
