"""The record of this user's changes in the clouds: an intent before each mutation, its outcome after it.

The clouds are the state. The journal stores three facts that the clouds do not return:

- the ClientToken of an open intent: a creation whose answer was lost is repeated with the same token, so that
  the cloud creates only one endpoint;
- the ID of the resource that a plan created last, which is looked up before another one is created;
- whether a missing endpoint was ever known here.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors
from tidb_pe_magic.model import Mutation, MutationResult
from tidb_pe_magic.runtime.journal_file import JournalFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tidb_pe_magic.runtime.journal_file import Content

_TOKEN_BYTES = 24  # 48 hexadecimal digits; a ClientToken may have 64 characters
# Refused before the request was read: the token was not used, and an earlier creation was not undone.
_UNREAD = (errors.AuthenticationFailed, errors.PermissionDenied)
MISMATCH = "IdempotentParameterMismatch"
"""The cloud's code for a token that was already used with other options."""
_LAG = 600.0  # seconds during which a list may lack a new resource; the lag is not documented
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def new_token() -> str:
    """Return a new, unique ClientToken."""
    return secrets.token_hex(_TOKEN_BYTES)


@dataclass(kw_only=True)
class Change:
    """A mutation in progress.

    Attributes:
        ident: the intent's identifier.
        token: the ClientToken to send.
        resource: the changed resource; a creation sets it to the created resource.
        request_id: the answer's request ID; set by the caller.
    """

    ident: str
    token: str
    resource: str
    request_id: str = ""


class Journal:
    """The user's journal in a directory."""

    def __init__(
        self,
        directory: Path,
        *,
        now: Callable[[], float] = time.time,
        on_problem: Callable[[str], None] = lambda _: None,
        emulated: bool = False,
    ) -> None:
        """Set the location; nothing is opened yet.

        Args:
            directory: the state directory.
            now: seconds since 1970.
            on_problem: called if an outcome could not be written.
            emulated: the changes are on this machine, not in the clouds.
        """
        self._file = JournalFile(directory / "journal.jsonl")
        self._now = now
        self._on_problem = on_problem
        self._emulated = emulated

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._file.path

    def check(self) -> None:
        """Raise the error of `change` early.

        Raises:
            JournalError: the journal cannot be written.
        """
        self._file.check()

    @contextmanager
    def change(
        self, operation: str, resource: str, *, region_id: str, plan: str = "", token: str = ""
    ) -> Iterator[Change]:
        """Record the intent, yield the change with its ClientToken, and record the outcome.

        Args:
            operation: the API operation that the block calls.
            resource: the changed resource.
            region_id: region of the resource.
            plan: identifies a resource that must be created only once.
            token: ClientToken of an earlier open intent; default: a new one.

        Raises:
            JournalError: the intent cannot be recorded; the block is not entered.
        """
        change = Change(ident=secrets.token_hex(8), token=token or new_token(), resource=resource)
        self._file.append(
            {
                "record": "intent",
                "id": change.ident,
                "time": self._time(),
                "operation": operation,
                "resource": resource,
                "region": region_id,
                "plan": plan,
                "token": change.token,
                "emulated": self._emulated,
            }
        )
        try:
            yield change
        except errors.ApiError as error:
            # With retries, only the last failure is known, so an unreachable host does not prove a refusal.
            unknown = error.transient or isinstance(error, errors.ServiceUnavailable)
            is_open = unknown or isinstance(error, _UNREAD) or error.code == MISMATCH
            result = MutationResult.UNKNOWN if unknown else MutationResult.REFUSED
            self._conclude(change, result, code=error.code, request_id=error.request_id, is_open=is_open)
            raise
        except BaseException:  # the stop button, or a bug: it is unknown whether the cloud made the change
            self._conclude(change, MutationResult.UNKNOWN, is_open=True)
            raise
        self._conclude(change, MutationResult.SUCCEEDED, request_id=change.request_id)

    def open_token(self, plan: str) -> str:
        """Return the ClientToken of the plan's last intent if its outcome is open; otherwise empty.

        If the cloud refuses a token that was sent before, the earlier call may still have created a resource.
        So the token stays open until the resource is found, or until an empty list proves that it does not
        exist.

        Raises:
            JournalError: the journal cannot be read.
        """
        content = self._content()
        intents = _open_intents(content, plan)
        token = str(intents[-1].get("token") or "") if intents else ""
        return "" if token and self._is_outlived(content, token) else token

    def _is_outlived(self, content: Content, token: str) -> bool:
        """Return whether the token was refused, and its last possible creation is long ago."""
        sent = [record for record in content.records if record.get("token") == token]
        outcomes = {record["id"]: record for record in content.records if record["record"] == "outcome"}
        found = [outcomes.get(intent["id"], {}) for intent in sent]
        if not any(_is_refusal(outcome) or outcome.get("code") == MISMATCH for outcome in found):
            return False
        refused = MutationResult.REFUSED
        making = [s for s, outcome in zip(sent, found, strict=True) if outcome.get("result") != refused]
        last = making[-1] if making else sent[0]
        return self._now() - _seconds(str(last.get("time"))) > _LAG

    def used_token(self, plan: str) -> str:
        """Return the ClientToken of the plan's last intent that may have created a resource; otherwise empty.

        Raises:
            JournalError: the journal cannot be read.
        """
        content = self._content()
        refused = {record["id"] for record in content.records if _is_refusal(record)}
        usable = [intent["token"] for intent in _intents(content, plan) if intent["id"] not in refused]
        return str(usable[-1]) if usable else ""

    def last_created(self, plan: str) -> str:
        """Return the resource that the plan created last, or is known to have created; otherwise empty.

        Raises:
            JournalError: the journal cannot be read.
        """
        content = self._content()
        idents = {intent["id"] for intent in _intents(content, plan)}
        results = {MutationResult.SUCCEEDED, MutationResult.FOUND}
        made = [r for r in content.records if r["id"] in idents and r.get("result") in results]
        return str(made[-1].get("resource") or "") if made else ""

    def conclude_as_created(self, plan: str, resource: str) -> None:
        """Close the plan's open intents, because their resource has been found.

        Ignore a journal that cannot be used, because the resource has been found anyway.
        """
        try:
            intents = _open_intents(self._file.read(), plan)
        except OSError:
            return
        for intent in intents:
            change = Change(ident=str(intent["id"]), token="", resource=resource)
            self._conclude(change, MutationResult.FOUND)

    def mutations(self) -> tuple[Mutation, ...]:
        """Return every readable mutation, newest first.

        Raises:
            OSError: the file exists and cannot be read.
        """
        records = self._file.read().records
        outcomes = {record["id"]: record for record in records if record["record"] == "outcome"}
        intents = [record for record in records if record["record"] == "intent"]
        return tuple(_mutation(intent, outcomes.get(intent["id"], {})) for intent in reversed(intents))

    def corrupt_lines(self) -> tuple[int, ...]:
        """Return the numbers of the unreadable lines.

        Raises:
            OSError: the file exists and cannot be read.
        """
        return self._file.read().corrupt

    def _content(self) -> Content:
        try:
            return self._file.read()
        except OSError as error:
            raise errors.JournalError(
                f"{self.path} cannot be read: {error.strerror or error}.",
                advice="TIDB_PE_STATE_DIR sets another directory.",
            ) from None

    def _conclude(
        self,
        change: Change,
        result: MutationResult,
        *,
        code: str = "",
        request_id: str = "",
        is_open: bool = False,
    ) -> None:
        try:
            self._file.append(
                {
                    "record": "outcome",
                    "id": change.ident,
                    "time": self._time(),
                    "result": result.value,
                    "resource": change.resource,
                    "code": code,
                    "request_id": request_id,
                    "open": is_open,
                }
            )
        except errors.JournalError as error:
            # The mutation is done, and an error now would hide what it created. Its intent stays open.
            self._on_problem(f"the outcome could not be recorded in the journal: {error.message}")

    def _time(self) -> str:
        return datetime.fromtimestamp(self._now(), UTC).strftime(_TIME)


def _seconds(time: str) -> float:
    """Return seconds since 1970; 0 for an invalid time."""
    try:
        return datetime.strptime(time, _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _intents(content: Content, plan: str) -> list[dict[str, Any]]:
    return [
        record
        for record in content.records
        if record["record"] == "intent" and record.get("plan") == plan and record.get("token")
    ]


def _is_refusal(record: dict[str, Any]) -> bool:
    """Return whether the outcome proves that nothing was created: the request was read and refused."""
    return record.get("result") == MutationResult.REFUSED and record.get("open") is not True


def _open_intents(content: Content, plan: str) -> list[dict[str, Any]]:
    intents = _intents(content, plan)
    closing = [
        record
        for record in content.records
        if record["record"] == "outcome" and record.get("open") is not True
    ]
    closed = {record["id"] for record in closing}
    made = closed - {record["id"] for record in closing if _is_refusal(record)}
    # If a token was sent twice, either success uses it up.
    used_up = {intent["token"] for intent in intents if intent["id"] in made}
    return [intent for intent in intents if intent["id"] not in closed and intent["token"] not in used_up]


def _mutation(intent: dict[str, Any], outcome: dict[str, Any]) -> Mutation:
    def text_of(record: dict[str, Any], name: str) -> str:
        value = record.get(name)
        return value if isinstance(value, str) else ""

    return Mutation(
        time=text_of(intent, "time"),
        operation=text_of(intent, "operation"),
        resource=text_of(outcome, "resource") or text_of(intent, "resource"),
        region_id=text_of(intent, "region"),
        result=text_of(outcome, "result") or MutationResult.OPEN.value,
        code=text_of(outcome, "code"),
        request_id=text_of(outcome, "request_id"),
        emulated=intent.get("emulated") is True,
    )
