"""Searches places for a key in order; the first key found is used."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.credentials.secrets import Secret, from_keyring, printable
from tidb_pe_magic.errors import InvalidRequest, MissingCredentials, MissingDependency, TidbPeError
from tidb_pe_magic.files import decode_text
from tidb_pe_magic.model import KeyPlace, KeyState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tidb_pe_magic.advice import Advice
    from tidb_pe_magic.credentials.secrets import Key
    from tidb_pe_magic.files import FileVersion

_LARGEST = 1_000_000  # bytes; the files of command lines are smaller


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The source from which the Alibaba Cloud SDK gets temporary keys.

    Attributes:
        kind: role (AssumeRole), oidc, ecs, uri; cli or ini if the SDK reads the profile itself.
        profile: in the command line's file or in the credentials file.
        path: that file, or the OIDC token's.
        version: of the file, so that a new one is noticed.
        role: name or ARN of the RAM role.
        key: signs AssumeRole.
        source: provides the key that signs it.
        uri: URL that returns a key to any caller, so it is treated as a secret.
        identity_provider: ARN, for OIDC.
        session: name of the role's session.
        seconds: the session's duration; None for the SDK's default.
        policy: restricts the session's permissions.
        external_id: required by the role's owner.
        sts_region: region of the STS; empty for the central one.
        sts_endpoint: host of the STS; empty for the region's.
        vpc: use the STS host for VPCs.
        metadata: host of the ECS metadata service, if it is not the cloud's own.
        fallback: used if the instance has no role.
    """

    kind: str
    profile: str = ""
    path: str = ""
    version: FileVersion | None = None
    role: str = ""
    key: Key | None = None
    source: Chain | None = None
    uri: Secret | None = None
    identity_provider: str = ""
    session: str = ""
    seconds: int | None = None
    policy: str = ""
    external_id: str = ""
    sts_region: str = ""
    sts_endpoint: str = ""
    vpc: bool | None = None
    metadata: str = ""
    fallback: Chain | None = None


@dataclass(frozen=True, kw_only=True)
class KeyMatch:
    """A key, or its source.

    Attributes:
        place: description of the place; never the key.
        key: None if `chain` provides it.
        api_host: host of TiDB Cloud's API for this key; empty for the cloud's own.
        iam_host: the same for the IAM API.
    """

    place: str
    key: Key | None = None
    chain: Chain | None = None
    api_host: str = ""
    iam_host: str = ""

    @property
    def own_key(self) -> Key:
        """The key of a place that stores one."""
        if self.key is None:
            raise AssertionError(self.place)
        return self.key


@dataclass(frozen=True, kw_only=True)
class KeyLocation:
    """A place to search: `read` returns its key, or None.

    Attributes:
        name: description of the place.
        costly: calls another host or program, so it is skipped once a key is found.
        files: possible files of the keys; the first existing one is used.
    """

    name: str
    read: Callable[[], KeyMatch | None]
    costly: bool = False
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Search:
    """The result of a search.

    Attributes:
        found: None if no place has a key.
        problem: why the first non-empty place cannot be used.
        places: in order of precedence.
    """

    found: KeyMatch | None
    problem: TidbPeError | None
    places: tuple[KeyPlace, ...]

    def require(self, what: str, *, advice: Advice) -> KeyMatch:
        """Return the key that was found.

        Raises:
            TidbPeError: no key was found, or it cannot be used.
        """
        if self.problem is not None:
            raise self.problem
        if self.found is None:
            raise MissingCredentials(what, (each.place for each in self.places), advice=advice)
        return self.found


def search(places: Iterable[KeyLocation], *, everywhere: bool = False) -> Search:
    """Search the places in order until one is not empty; `everywhere` searches the others, too.

    A broken place ends the search, so that another identity is never used unnoticed.
    """
    found: KeyMatch | None = None
    problem: TidbPeError | None = None
    seen: list[KeyPlace] = []
    for place in places:
        settled = found is not None or problem is not None
        if settled and not everywhere:
            break
        if settled and place.costly:
            seen.append(KeyPlace(place=place.name, state=KeyState.NOT_ASKED))
            continue
        try:
            here = place.read()
        except TidbPeError as error:
            seen.append(KeyPlace(place=place.name, state=KeyState.BROKEN, detail=error.message))
            # Without its frames, which hold the file's content.
            problem = problem if settled else error.with_traceback(None)
            continue
        if here is None:
            seen.append(KeyPlace(place=place.name, state=KeyState.EMPTY))
            continue
        state = KeyState.PASSED_OVER if settled else KeyState.USED
        seen.append(
            KeyPlace(place=place.name, state=state, detail=here.place + _exposure_warning(place.files))
        )
        found = found if settled else here
    return Search(found=found, problem=problem, places=tuple(seen))


def _exposure_warning(files: Iterable[Path]) -> str:
    """Return a warning if other users can read the keys; not an error, as a CLI may create its file so."""
    for path in files if os.name == "posix" else ():
        with contextlib.suppress(OSError):
            return f"; other users can read it: chmod 600 {path}" if path.stat().st_mode & 0o044 else ""
    return ""


def part(value: object, label: str) -> Secret:
    """Return a part of a key, without surrounding whitespace; empty if there is none.

    Raises:
        InvalidRequest: it contains characters that are invalid in keys; `label` names it.
    """
    return printable(value.strip() if isinstance(value, str) else "", label)


def private_half(service: str, public: str) -> Secret:
    """Return the private half of a key from the keyring; empty if there is none, or no keyring.

    Raises:
        MissingCredentials: the keyring is locked, or fails.
    """
    try:
        return part(from_keyring(service, public, what="private key").reveal(), f"keyring {service}")
    except MissingDependency:
        return Secret("")


def home(environ: Mapping[str, str]) -> Path:
    """Return the user's home directory."""
    from pathlib import Path  # noqa: PLC0415 - needed only for keys in files

    given = environ.get("HOME")
    return Path(given) if given else Path("~").expanduser()


def read(path: Path) -> bytes | None:
    """Return the file's content; None if the file does not exist.

    Raises:
        InvalidRequest: the file cannot be read, or is not a configuration file.
    """
    try:
        if path.exists() and not path.is_file():
            reason = "it is not a regular file"
        else:
            with path.open("rb") as file:
                content = file.read(_LARGEST + 1)
            if len(content) <= _LARGEST:
                return content
            reason = "it is too large for a file of keys"
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise unusable_file(path, reason)


def read_text(path: Path) -> str | None:
    """Return the file's text; None if the file does not exist.

    Raises:
        InvalidRequest: the file cannot be read, or is not text in UTF-8, UTF-16 or UTF-32.
    """
    content = read(path)
    if content is None:
        return None
    try:
        return decode_text(content)
    except ValueError as error:
        reason = str(error)
    raise unusable_file(path, reason)


def check_for_sdk(path: Path) -> None:
    """Refuse a file that the SDK would read: it takes a byte order mark as a part of the content.

    A missing file and one that is not regular, such as a pipe, are left to the SDK.

    Raises:
        InvalidRequest: the file begins with a byte order mark, is not UTF-8, or cannot be read.
    """
    if not path.is_file():
        return
    content = read(path) or b""
    text = read_text(path) or ""
    if content.startswith(text[:1].encode()):
        return
    raise InvalidRequest(
        str(path),
        "begins with a byte order mark, which Alibaba Cloud's SDK cannot read.",
        advice="Save it as UTF-8 without a byte order mark.",
    )


def unusable_file(path: Path, reason: str) -> InvalidRequest:
    """Return the error for an unusable file; it contains nothing of the file's content."""
    return InvalidRequest(str(path), f"cannot be used: {reason}.", advice="Correct or remove it.")
