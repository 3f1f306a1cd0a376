"""Alibaba Cloud's access key: the places of the SDK's default chain, in its order.

They are looked into here, and the SDK is asked only for what has to be exchanged (RAM roles, OIDC, single
sign-on): it reads its variables when it is imported, takes a broken file for a missing one, and asks the
metadata service on machines that are no ECS instance.
"""

from __future__ import annotations

import configparser
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tidb_pe_magic.credentials import Key, Secret
from tidb_pe_magic.errors import InvalidRequest, MissingCredentials
from tidb_pe_magic.keys.places import (
    Chain,
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

KEY_ID, KEY_SECRET = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
TOKEN = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105 - a variable's name
PROFILE = "ALIBABA_CLOUD_PROFILE"
KEYRING = "alibabacloud"
"""The keyring's service; its user is the access key ID."""
WHAT = "Alibaba Cloud access key"

_OIDC = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")
_SESSION = "ALIBABA_CLOUD_ROLE_SESSION_NAME"
_URI = "ALIBABA_CLOUD_CREDENTIALS_URI"
_ROLE = "ALIBABA_CLOUD_ECS_METADATA"
_METADATA = "TIDB_PE_METADATA_ENDPOINT"
# What the SDK exchanges: mode of the command line, and the fields without which it cannot.
_EXCHANGED: dict[str, tuple[str, ...]] = {
    "RamRoleArn": ("access_key_id", "access_key_secret", "ram_role_arn"),
    "EcsRamRole": (),
    "OIDC": ("ram_role_arn", "oidc_provider_arn", "oidc_token_file"),
    "ChainableRamRoleArn": ("source_profile", "ram_role_arn"),
    "CloudSSO": ("cloud_sso_sign_in_url",),
    "OAuth": ("oauth_refresh_token",),
    "External": ("process_command",),
}
_INI_EXCHANGED = ("ram_role_arn", "oidc_role_arn", "ecs_ram_role", "rsa_key_pair")
_ADVICE = (
    "Set both variables before the kernel starts, or run: aliyun configure; "
    "to try without an account: %tidb_pe sandbox start"
)


def find(environ: Mapping[str, str], on_ecs: Callable[[], bool]) -> Found:
    """Return the key that counts, or what the SDK makes it of.

    Args:
        environ: the environment.
        on_ecs: tells whether this machine is an ECS instance; asked only where a RAM role would be used.

    Raises:
        MissingCredentials: there is none, or half of one.
        InvalidRequest: a file or a value cannot be used, or there is no such profile.
    """
    return look(environ, on_ecs).needed(WHAT, advice=_ADVICE)


def look(environ: Mapping[str, str], on_ecs: Callable[[], bool], *, everywhere: bool = False) -> Search:
    """Look for the key; `everywhere` looks at every place, also after one was found."""
    places = (
        Place(name=f"{KEY_ID} and {KEY_SECRET} in the environment", look=lambda: _environment(environ)),
        Place(name=f"the OIDC role of {_OIDC[0]}", look=lambda: _oidc(environ)),
        Place(
            name="the Alibaba Cloud CLI's profile in ~/.aliyun/config.json",
            look=lambda: _cli(environ, on_ecs),
        ),
        Place(name="~/.alibabacloud/credentials.ini", look=lambda: _ini(environ)),
        Place(name="the ECS instance's RAM role", look=lambda: _instance(environ, on_ecs), costly=True),
        Place(name=_URI, look=lambda: _uri(environ)),
    )
    return search(places, everywhere=everywhere)


def _environment(environ: Mapping[str, str]) -> Found | None:
    public, private, token = (part(environ.get(name, ""), name) for name in (KEY_ID, KEY_SECRET, TOKEN))
    if not public and not private:
        return None
    place = "the environment"
    if public and not private:
        private = private_half(KEYRING, public.reveal())
        place = f"{KEY_ID} and keyring:{KEYRING}"
    if public and private:
        return Found(place=place, key=Key(public.reveal(), private, token or None))
    missing = KEY_SECRET if public else KEY_ID
    raise MissingCredentials(WHAT, (f"the environment, where {missing} is unset",), advice="Set both halves.")


def _oidc(environ: Mapping[str, str]) -> Found | None:
    role, provider, file = (environ.get(name, "") for name in _OIDC)
    if not (role and provider and file):
        return None
    return Found(
        place=f"the OIDC role {role}",
        chain=Chain(
            kind="oidc",
            path=file,
            role=role,
            identity_provider=provider,
            session=environ.get(_SESSION, ""),
        ),
    )


def _cli(environ: Mapping[str, str], on_ecs: Callable[[], bool]) -> Found | None:
    path = home(environ) / ".aliyun" / "config.json"
    if _is_on(environ, "ALIBABA_CLOUD_CLI_PROFILE_DISABLED"):
        return None
    profiles, current = _cli_profiles(path)
    wanted = environ.get(PROFILE, "") or current
    profile = profiles.get(wanted)
    if profile is None:
        if wanted and not environ.get(PROFILE) and profiles:
            raise broken(path, f"its current profile {wanted} is not among its profiles")
        return None
    mode = profile.get("mode") or "AK"
    place = f"the Alibaba Cloud CLI's profile {wanted} ({mode}) in {path}"
    if mode in {"AK", "StsToken"}:
        token = part(profile.get("sts_token"), f"sts_token of {place}") if mode == "StsToken" else None
        if token is not None and not token:
            raise MissingCredentials(
                WHAT, (f"{place}, which has no sts_token",), advice="Run: aliyun configure"
            )
        key = _key_of(profile, place)
        return None if key is None else Found(place=place, key=Key(key.public, key.private, token))
    needs = _EXCHANGED.get(mode) if isinstance(mode, str) else None
    if needs is None:
        raise broken(path, f"profile {wanted} has a mode that the SDK does not know")
    lacking = [name for name in needs if not profile.get(name)]
    if lacking:
        raise MissingCredentials(
            WHAT, (f"{place}, which has no {lacking[0]}",), advice="Run: aliyun configure"
        )
    if mode == "EcsRamRole":
        return _instance(environ, on_ecs, place=place, role=str(profile.get("ram_role_name") or ""))
    chain = Chain(kind="cli", profile=wanted, path=str(path), version=path.stat().st_mtime_ns)
    return Found(place=place, chain=chain)


def _cli_profiles(path: Path) -> tuple[dict[str, dict[str, Any]], str]:
    content = read(path)
    if content is None:
        return {}, ""
    try:
        config = json.loads(content)
    except (ValueError, RecursionError):
        config = None
    profiles = config.get("profiles", []) if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(profiles, list | None):
        raise broken(path, "it is no JSON as the CLI writes it")
    named = {
        each["name"]: each
        for each in profiles or ()
        if isinstance(each, dict) and isinstance(each.get("name"), str)
    }
    current = config.get("current")
    return named, current if isinstance(current, str) else ""


def _ini(environ: Mapping[str, str]) -> Found | None:
    from pathlib import Path  # noqa: PLC0415 - as late as the other places

    given = environ.get("ALIBABA_CLOUD_CREDENTIALS_FILE")
    path = Path(given) if given else home(environ) / ".alibabacloud" / "credentials.ini"
    sections = _ini_sections(path)
    wanted = environ.get(PROFILE, "")
    section = sections.get(wanted or "default")
    if section is None:
        if wanted:
            raise InvalidRequest(PROFILE, f"names no profile of ~/.aliyun/config.json or {path}: {wanted}.")
        return None
    place = f"profile {wanted or 'default'} in {path}"
    kind = section.get("type", "").partition("#")[0].strip()
    if kind == "access_key":
        key = _key_of({name: value.partition("#")[0] for name, value in section.items()}, place)
        return None if key is None else Found(place=place, key=key)
    if kind not in _INI_EXCHANGED:
        raise broken(path, f"profile {wanted or 'default'} has a type that the SDK does not know")
    chain = Chain(kind="ini", profile=wanted or "default", path=str(path), version=path.stat().st_mtime_ns)
    return Found(place=f"{place} ({kind})", chain=chain)


def _ini_sections(path: Path) -> dict[str, dict[str, str]]:
    content = read(path)
    if content is None:
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(content.decode("utf-8"))
    except (configparser.Error, UnicodeDecodeError):
        pass
    else:
        return {name: dict(parser.items(name)) for name in parser.sections()}
    # Outside the handler: its error holds the file's content.
    raise broken(path, "it is no INI file in UTF-8")


def _key_of(settings: Mapping[str, Any], place: str) -> Key | None:
    """Return the key of a profile; None where it has neither half, as the CLI writes before it is set up."""
    public = part(settings.get("access_key_id"), f"access_key_id of {place}")
    private = part(settings.get("access_key_secret"), f"access_key_secret of {place}")
    if public and not private:
        private = private_half(KEYRING, public.reveal())
    if public and private:
        return Key(public.reveal(), private)
    if not (public or private):
        return None
    missing = "access_key_secret" if public else "access_key_id"
    raise MissingCredentials(WHAT, (f"{place}, which has no {missing}",), advice="Run: aliyun configure")


def _instance(
    environ: Mapping[str, str], on_ecs: Callable[[], bool], *, place: str = "", role: str = ""
) -> Found | None:
    """Return the instance's RAM role; beyond ECS a profile that names it is an error, and nobody is asked."""
    if _is_on(environ, "ALIBABA_CLOUD_ECS_METADATA_DISABLED") or not on_ecs():
        if not place:
            return None
        raise MissingCredentials(
            WHAT, (f"{place}, and this machine is no ECS instance that may be asked",), advice=_ADVICE
        )
    role = role or environ.get(_ROLE, "")
    chain = Chain(kind="ecs", role=role, metadata=urlsplit(environ.get(_METADATA, "")).netloc)
    return Found(place=place or f"the ECS instance's RAM role {role}".strip(), chain=chain)


def _uri(environ: Mapping[str, str]) -> Found | None:
    uri = environ.get(_URI, "")
    return Found(place=_URI, chain=Chain(kind="uri", uri=Secret(uri))) if uri else None


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() == "true"
