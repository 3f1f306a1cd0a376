"""Looking for a key in one place after the other; the first that holds one is the one that is used."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.credentials.secrets import Secret, from_keyring, printable
from tidb_pe_magic.errors import InvalidRequest, MissingCredentials, MissingDependency, TidbPeError
from tidb_pe_magic.files import decoded
from tidb_pe_magic.model import KeyPlace, KeyState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tidb_pe_magic.advice import Advice
    from tidb_pe_magic.credentials.secrets import Key

_LARGEST = 1_000_000  # bytes; no command line writes that much


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What the Alibaba Cloud SDK makes temporary keys of.

    Attributes:
        kind: role (AssumeRole), oidc, ecs, uri; cli or ini where the SDK reads the profile itself.
        profile: of the command line's file or of the credentials file.
        path: that file, or the OIDC token's.
        version: when the file was written, so that another version counts.
        role: name or ARN of the RAM role.
        key: signs AssumeRole.
        source: makes the key that signs it.
        uri: where a key is given to whoever asks, so that it counts as one.
        identity_provider: ARN, of OIDC.
        session: name of the role's session.
        seconds: its length; None for the SDK's own.
        policy: narrows what the session may do.
        external_id: what the role's owner demands.
        sts_region: whose STS is asked; empty for the central one.
        sts_endpoint: host of the STS that is asked; empty for that of the region.
        vpc: STS is asked at its host inside of VPCs.
        metadata: host of the ECS metadata service where it is not the cloud's own.
        fallback: makes the key where the instance has no role.
    """

    kind: str
    profile: str = ""
    path: str = ""
    version: int = 0
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
class Found:
    """A key, or what makes one.

    Attributes:
        place: where it is, in words; never the key.
        key: None where `chain` makes it.
        api_host: host of TiDB Cloud's API that belongs to the key; empty for the cloud's own.
        iam_host: the same of the IAM API.
    """

    place: str
    key: Key | None = None
    chain: Chain | None = None
    api_host: str = ""
    iam_host: str = ""

    @property
    def own_key(self) -> Key:
        """The key, of a place that holds one itself."""
        if self.key is None:
            raise AssertionError(self.place)
        return self.key


@dataclass(frozen=True, kw_only=True)
class KeyLocation:
    """A place to look in: `look` returns what it holds, None where that is nothing.

    Attributes:
        name: in words.
        costly: asks somebody else, so that it is not looked into once a key is found.
        files: where its keys are; the first that exists counts.
    """

    name: str
    look: Callable[[], Found | None]
    costly: bool = False
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Search:
    """What was found, and where it was looked for.

    Attributes:
        found: None where no place holds a key.
        problem: why the first place that is not empty cannot be used.
        places: in the order in which they count.
    """

    found: Found | None
    problem: TidbPeError | None
    places: tuple[KeyPlace, ...]

    def needed(self, what: str, *, advice: Advice) -> Found:
        """Return what was found.

        Raises:
            TidbPeError: nothing was, or it cannot be used.
        """
        if self.problem is not None:
            raise self.problem
        if self.found is None:
            raise MissingCredentials(what, (each.place for each in self.places), advice=advice)
        return self.found


def search(places: Iterable[KeyLocation], *, everywhere: bool = False) -> Search:
    """Look into the places in order, until one is not empty; `everywhere` looks at the others, too.

    A place that is broken ends the search: another identity must not take its place unseen.
    """
    found: Found | None = None
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
            here = place.look()
        except TidbPeError as error:
            seen.append(KeyPlace(place=place.name, state=KeyState.BROKEN, detail=error.message))
            # Without its frames, which hold what was read.
            problem = problem if settled else error.with_traceback(None)
            continue
        if here is None:
            seen.append(KeyPlace(place=place.name, state=KeyState.EMPTY))
            continue
        state = KeyState.PASSED_OVER if settled else KeyState.USED
        seen.append(KeyPlace(place=place.name, state=state, detail=here.place + _exposed(place.files)))
        found = found if settled else here
    return Search(found=found, problem=problem, places=tuple(seen))


def _exposed(files: Iterable[Path]) -> str:
    """Say that other users of this machine can read the keys; no error, since a CLI may write its file so."""
    for path in files if os.name == "posix" else ():
        with contextlib.suppress(OSError):
            return f"; other users can read it: chmod 600 {path}" if path.stat().st_mode & 0o044 else ""
    return ""


def part(value: object, label: str) -> Secret:
    """Return a part of a key, without the blanks and line breaks around it; empty where there is none.

    Raises:
        InvalidRequest: it holds what no key can hold; `label` names it.
    """
    return printable(value.strip() if isinstance(value, str) else "", label)


def private_half(service: str, public: str) -> Secret:
    """Return the private half of a key from the keyring; empty where there is none, or no keyring.

    Raises:
        MissingCredentials: the keyring is locked, or fails.
    """
    try:
        return part(from_keyring(service, public, what="private key").reveal(), f"keyring {service}")
    except MissingDependency:
        return Secret("")


def home(environ: Mapping[str, str]) -> Path:
    """Return the user's home directory."""
    from pathlib import Path  # noqa: PLC0415 - only keys that are in files need it

    given = environ.get("HOME")
    return Path(given) if given else Path("~").expanduser()


def read(path: Path) -> bytes | None:
    """Return the file's content, None where there is no such file.

    Raises:
        InvalidRequest: it cannot be read, or is not a configuration file of a command line.
    """
    try:
        if path.exists() and not path.is_file():
            reason = "it is not a regular file"
        else:
            with path.open("rb") as file:
                content = file.read(_LARGEST + 1)
            if len(content) <= _LARGEST:
                return content
            reason = "it is larger than a file of keys can be"
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise broken(path, reason)


def read_text(path: Path) -> str | None:
    """Return the file's text, None where there is no such file.

    Raises:
        InvalidRequest: it cannot be read, or is not text in UTF-8, UTF-16 or UTF-32.
    """
    content = read(path)
    if content is None:
        return None
    try:
        return decoded(content)
    except ValueError as error:
        reason = str(error)
    raise broken(path, reason)


def broken(path: Path, reason: str) -> InvalidRequest:
    """Return the error of a file that cannot be used; nothing of its content is in it."""
    return InvalidRequest(str(path), f"cannot be used: {reason}.", advice="Correct or remove it.")
