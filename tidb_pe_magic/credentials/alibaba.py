"""Alibaba Cloud's access key, looked up in the order of the SDK's default chain.

This module reads the places itself and uses the SDK only for exchanges (RAM roles, OIDC, single sign-on). The
SDK reads its variables when imported, treats a broken file as missing, and calls the metadata service on
machines that are not ECS instances.
"""

from __future__ import annotations

import configparser
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tidb_pe_magic.advice import Advice, ShellCommand, Suggestion
from tidb_pe_magic.credentials.alibaba_roles import WHAT, identity_provider, incomplete_profile, role_chain
from tidb_pe_magic.credentials.search import (
    Chain,
    KeyLocation,
    KeyMatch,
    Search,
    check_for_sdk,
    home,
    part,
    private_half,
    read_text,
    search,
    unusable_file,
)
from tidb_pe_magic.credentials.secrets import Key, Secret
from tidb_pe_magic.errors import InvalidRequest, MissingCredentials
from tidb_pe_magic.files import file_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY_ID, KEY_SECRET = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
TOKEN = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105 - a variable's name
PROFILES = ("ALIBABACLOUD_PROFILE", "ALIBABA_CLOUD_PROFILE", "ALICLOUD_PROFILE")
"""The variables that name a profile, in the order in which the CLI reads them."""
KEYRING = "alibabacloud"
"""The keyring's service; the user is the access key ID."""

_OIDC = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")
_SESSION = "ALIBABA_CLOUD_ROLE_SESSION_NAME"
_URI = "ALIBABA_CLOUD_CREDENTIALS_URI"
_ROLE = "ALIBABA_CLOUD_ECS_METADATA"
_METADATA = "TIDB_PE_METADATA_ENDPOINT"
# Profile modes that the SDK reads and exchanges itself, and the field that each requires.
_EXCHANGED = {
    "CloudSSO": "cloud_sso_sign_in_url",
    "OAuth": "oauth_refresh_token",
    "External": "process_command",
}
# Modes that store a temporary key in the file.
_CACHED = ("CloudSSO", "OAuth")
_NEARLY_OVER = 60  # seconds; a margin for the call itself
MODES = (
    *("AK", "StsToken", "RamRoleArn", "RamRoleArnWithRoleName", "ChainableRamRoleArn", "EcsRamRole", "OIDC"),
    *("CredentialsURI", *_EXCHANGED),
)
"""The accepted modes of the CLI's profiles; RsaKeyPair, BearerToken and Anonymous are not supported."""
_ADVICE = Advice(
    "Set both variables in the environment before the kernel starts, or configure the aliyun CLI. The "
    "sandbox needs no account.",
    Suggestion("help", "keys"),
    Suggestion("sandbox", "start"),
)


def find(environ: Mapping[str, str], on_ecs: Callable[[], bool]) -> KeyMatch:
    """Return the first key found, or the source from which the SDK gets one.

    Args:
        environ: the environment.
        on_ecs: returns whether this machine is an ECS instance; called only if a RAM role would be used.

    Raises:
        MissingCredentials: no key was found, or only one half.
        InvalidRequest: a file or a value cannot be used, or the profile does not exist.
    """
    return search_keys(environ, on_ecs).require(WHAT, advice=_ADVICE)


def search_keys(
    environ: Mapping[str, str], on_ecs: Callable[[], bool], *, everywhere: bool = False
) -> Search:
    """Search for the key; `everywhere` reads every place, even after a key was found."""
    places = (
        KeyLocation(name=f"{KEY_ID} and {KEY_SECRET} in the environment", read=lambda: _environment(environ)),
        KeyLocation(name=f"the OIDC role of {_OIDC[0]}", read=lambda: _oidc(environ)),
        KeyLocation(
            name="the Alibaba Cloud CLI's profile in ~/.aliyun/config.json",
            read=lambda: _cli(environ, on_ecs),
            files=(_cli_path(environ),),
        ),
        KeyLocation(
            name="~/.alibabacloud/credentials.ini",
            read=lambda: _ini(environ, on_ecs),
            files=(_ini_path(environ),),
        ),
        KeyLocation(name="the ECS instance's RAM role", read=lambda: _instance(environ, on_ecs), costly=True),
        KeyLocation(name=_URI, read=lambda: _uri(environ)),
    )
    return search(places, everywhere=everywhere)


def _environment(environ: Mapping[str, str]) -> KeyMatch | None:
    public, private, token = (part(environ.get(name, ""), name) for name in (KEY_ID, KEY_SECRET, TOKEN))
    if not public and not private:
        return None
    place = "the environment"
    if public and not private:
        private = private_half(KEYRING, public.reveal())
        place = f"{KEY_ID} and keyring:{KEYRING}"
    if public and private:
        return KeyMatch(place=place, key=Key(public.reveal(), private, token or None))
    missing = KEY_SECRET if public else KEY_ID
    raise MissingCredentials(WHAT, (f"the environment, where {missing} is unset",), advice="Set both halves.")


def _oidc(environ: Mapping[str, str]) -> KeyMatch | None:
    role, provider, file = (environ.get(name, "") for name in _OIDC)
    if not (role and provider and file):
        return None
    check_for_sdk(Path(file))
    return KeyMatch(
        place=f"the OIDC role {role}",
        chain=Chain(
            kind="oidc",
            path=file,
            role=role,
            identity_provider=provider,
            session=environ.get(_SESSION, ""),
        ),
    )


def _cli_path(environ: Mapping[str, str]) -> Path:
    return home(environ) / ".aliyun" / "config.json"


def _ini_path(environ: Mapping[str, str]) -> Path:
    given = environ.get("ALIBABA_CLOUD_CREDENTIALS_FILE")
    return Path(given) if given else home(environ) / ".alibabacloud" / "credentials.ini"


def _cli(environ: Mapping[str, str], on_ecs: Callable[[], bool]) -> KeyMatch | None:
    path = _cli_path(environ)
    if _is_on(environ, "ALIBABA_CLOUD_CLI_PROFILE_DISABLED"):
        return None
    profiles, current = _cli_profiles(path)
    named = _named_profile(environ)
    wanted = named or current
    if wanted not in profiles:
        if wanted and not named and profiles:
            raise unusable_file(path, f"its current profile {wanted} is not among its profiles")
        return None
    return _of_cli(profiles, wanted, path, lambda place, role: _instance(environ, on_ecs, place, role))


def _named_profile(environ: Mapping[str, str]) -> str:
    """Return the profile that the environment names, by either variable that the CLI reads."""
    return next((environ[name] for name in PROFILES if environ.get(name)), "")


def _of_cli(
    profiles: Mapping[str, Mapping[str, Any]],
    name: str,
    path: Path,
    instance: Callable[[str, str], KeyMatch | None],
) -> KeyMatch | None:
    """Return the key of a CLI profile; a chain of profiles ends at one with its own key."""
    profile = profiles[name]
    mode = profile.get("mode") or "AK"
    place = f"the Alibaba Cloud CLI's profile {name} ({mode}) in {path}"
    if mode in {"AK", "StsToken"}:
        token = part(profile.get("sts_token"), f"sts_token of {place}") if mode == "StsToken" else None
        if token is not None and not token:
            raise incomplete_profile("sts_token", place)
        key = _key_of(profile, place)
        return None if key is None else KeyMatch(place=place, key=Key(key.public, key.private, token))
    if mode in {"EcsRamRole", "RamRoleArnWithRoleName"}:
        found = instance(place, str(profile.get("ram_role_name") or ""))
        if found is None or mode == "EcsRamRole":
            return found
        return KeyMatch(place=place, chain=role_chain(profile, place, None, found.chain))
    if mode == "OIDC":
        return KeyMatch(place=place, chain=identity_provider(profile, place))
    if mode == "RamRoleArn":
        return _role_profile(profile, place)
    if mode == "ChainableRamRoleArn":
        source = profile.get("source_profile")
        others = {other: each for other, each in profiles.items() if other != name}
        if not isinstance(source, str) or source not in others:
            raise unusable_file(
                path,
                f"profile {name}: source_profile is missing or does not name another profile of the file",
            )
        found = _of_cli(others, source, path, instance)
        if found is None:
            raise incomplete_profile("key", f"{place}, whose source_profile {source}")
        return KeyMatch(place=place, chain=role_chain(profile, place, found.key, found.chain))
    return _of_other_modes(profile, name, path, place)


def _role_profile(profile: Mapping[str, Any], place: str) -> KeyMatch:
    """Return the role that a profile assumes with its own key."""
    key = _key_of(profile, place)
    if key is None:
        raise incomplete_profile("access_key_id", place)
    return KeyMatch(place=place, chain=role_chain(profile, place, key))


def _of_other_modes(profile: Mapping[str, Any], name: str, path: Path, place: str) -> KeyMatch:
    mode = profile.get("mode")
    if mode == "CredentialsURI":
        uri = profile.get("credentials_uri")
        if not (isinstance(uri, str) and uri):
            raise incomplete_profile("credentials_uri", place)
        return KeyMatch(place=place, chain=Chain(kind="uri", uri=Secret(uri)))
    needed = _EXCHANGED.get(mode) if isinstance(mode, str) else None
    if needed is None:
        raise unusable_file(path, f"profile {name} has the mode {mode}; supported are {', '.join(MODES)}")
    if mode in _CACHED and (key := _cached_key(profile, place)) is not None:
        return KeyMatch(place=place, key=key)
    if not profile.get(needed):
        raise incomplete_profile(needed, place)
    check_for_sdk(path)
    chain = Chain(kind="cli", profile=name, path=str(path), version=file_version(path))
    return KeyMatch(place=place, chain=chain)


def _cached_key(profile: Mapping[str, Any], place: str) -> Key | None:
    """Return the temporary key that the CLI stored in a profile; None if the SDK can get a new one.

    Raises:
        MissingCredentials: the key has expired, and so has the login for a new one.
    """
    now, end = time.time(), profile.get("sts_expiration")
    key = _key_of(profile, place) if profile.get("access_key_secret") else None
    token = part(profile.get("sts_token"), f"sts_token of {place}")
    if key is None or not token or not isinstance(end, int) or isinstance(end, bool):
        return None
    if end > now + _NEARLY_OVER:
        return Key(key.public, key.private, token)
    login = profile.get("cloud_sso_access_token_expire")
    if profile["mode"] == "CloudSSO" and isinstance(login, int) and login <= now:
        over = datetime.fromtimestamp(end, UTC)
        raise MissingCredentials(
            WHAT,
            (f"{place}, whose temporary key expired on {over:%Y-%m-%d %H:%M} UTC",),
            advice=Advice("Sign in again.", ShellCommand("aliyun configure --mode CloudSSO")),
        )
    return None


def _cli_profiles(path: Path) -> tuple[dict[str, dict[str, Any]], str]:
    content = read_text(path)
    if content is None:
        return {}, ""
    try:
        config = json.loads(content)
    except (ValueError, RecursionError):
        config = None
    profiles = config.get("profiles", []) if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(profiles, list | None):
        raise unusable_file(path, "it is not valid JSON, or not in the CLI's format")
    named = {
        each["name"]: each
        for each in profiles or ()
        if isinstance(each, dict) and isinstance(each.get("name"), str)
    }
    current = config.get("current")
    return named, current if isinstance(current, str) else ""


def _ini(environ: Mapping[str, str], on_ecs: Callable[[], bool]) -> KeyMatch | None:
    path = _ini_path(environ)
    sections = _ini_sections(path)
    wanted = _named_profile(environ)
    section = sections.get(wanted or "default")
    if section is None:
        if wanted:
            variable = next(name for name in PROFILES if environ.get(name))
            raise InvalidRequest(variable, f"~/.aliyun/config.json and {path} have no profile {wanted}.")
        return None
    place = f"profile {wanted or 'default'} in {path}"
    section = {option: value.partition("#")[0].strip() for option, value in section.items()}
    kind = section.get("type", "")
    if kind == "access_key":
        key = _key_of(section, place)
        return None if key is None else KeyMatch(place=place, key=key)
    place = f"{place} ({kind})"
    if kind == "ecs_ram_role":
        return _instance(environ, on_ecs, place, section.get("role_name", ""))
    if kind == "oidc_role_arn":
        return KeyMatch(place=place, chain=identity_provider(section, place))
    if kind == "ram_role_arn":
        return _role_profile(section, place)
    if kind != "rsa_key_pair":
        raise unusable_file(path, f"profile {wanted or 'default'} has a type that the SDK does not support")
    check_for_sdk(path)
    check_for_sdk(Path(section.get("private_key_file") or path))
    chain = Chain(kind="ini", profile=wanted or "default", path=str(path), version=file_version(path))
    return KeyMatch(place=place, chain=chain)


def _ini_sections(path: Path) -> dict[str, dict[str, str]]:
    content = read_text(path)
    if content is None:
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(content)
    except configparser.Error:
        pass
    else:
        return {name: dict(parser.items(name)) for name in parser.sections()}
    # Outside the handler: its error contains the file's content.
    raise unusable_file(path, "it is not an INI file")


def _key_of(settings: Mapping[str, Any], place: str) -> Key | None:
    """Return the key of a profile; None if both halves are missing, as before the CLI is set up."""
    public = part(settings.get("access_key_id"), f"access_key_id of {place}")
    private = part(settings.get("access_key_secret"), f"access_key_secret of {place}")
    if public and not private:
        private = private_half(KEYRING, public.reveal())
    if public and private:
        return Key(public.reveal(), private)
    if not (public or private):
        return None
    raise incomplete_profile("access_key_secret" if public else "access_key_id", place)


def _instance(
    environ: Mapping[str, str], on_ecs: Callable[[], bool], place: str = "", role: str = ""
) -> KeyMatch | None:
    """Return the instance's RAM role; a profile that requires it is an error on other machines."""
    if _is_on(environ, "ALIBABA_CLOUD_ECS_METADATA_DISABLED") or not on_ecs():
        if not place:
            return None
        raise MissingCredentials(WHAT, (f"{place}, and this machine is not an ECS instance",), advice=_ADVICE)
    role = role or environ.get(_ROLE, "")
    uri = "" if place else environ.get(_URI, "")  # without a profile, the role may be missing
    chain = Chain(
        kind="ecs",
        role=role,
        metadata=urlsplit(environ.get(_METADATA, "")).netloc,
        fallback=Chain(kind="uri", uri=Secret(uri)) if uri else None,
    )
    own = f"the ECS instance's RAM role {role}".strip()
    return KeyMatch(place=place or (f"{own}, else {_URI}" if uri else own), chain=chain)


def _uri(environ: Mapping[str, str]) -> KeyMatch | None:
    uri = environ.get(_URI, "")
    return KeyMatch(place=_URI, chain=Chain(kind="uri", uri=Secret(uri))) if uri else None


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() == "true"
