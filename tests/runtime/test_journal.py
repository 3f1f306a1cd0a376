"""The journal is written before and after each change, and a change that cannot be recorded is refused."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidb_pe_magic.errors import (
    AuthenticationFailed,
    Conflict,
    JournalError,
    NotFound,
    ServiceUnavailable,
    TidbPeError,
)
from tidb_pe_magic.files import ensure_private, open_private, state_directory
from tidb_pe_magic.runtime.journal import Journal, new_token
from tidb_pe_magic.runtime.journal_file import JournalFile

OPERATION = "CreateVpcEndpoint"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Provide an empty journal at a fixed time."""
    return Journal(tmp_path / "state", now=lambda: 1_800_000_000.0)


def lines(journal: Journal) -> list[dict[str, str]]:
    """Return the records in the file."""
    return [json.loads(line) for line in journal.path.read_text(encoding="ascii").splitlines()]


def make(journal: Journal, *, failure: BaseException | None = None, plan: str = "p", token: str = "") -> str:
    """Make a change, or fail at it, and return its token."""
    with journal.change(OPERATION, "in vpc-1", region_id="r", plan=plan, token=token) as change:
        if failure is not None:
            raise failure
        change.resource, change.request_id = "ep-1", "R-1"
    return change.token


def fail(journal: Journal, failure: BaseException, *, token: str = "") -> None:
    """Fail at a change."""
    with pytest.raises(type(failure)):
        make(journal, failure=failure, token=token)


def hopeless() -> ServiceUnavailable:
    """Return the failure of a host that refuses connections, which is not retried."""
    failure = ServiceUnavailable("refused.", operation=OPERATION)
    failure.transient = False
    return failure


def test_the_intent_is_on_the_disk_before_the_change(journal: Journal) -> None:
    """Inside the block the file contains the intent with its ClientToken, and no outcome."""
    with journal.change(OPERATION, "in vpc-1", region_id="r", plan="p") as change:
        [intent] = lines(journal)
        assert (intent["record"], intent["token"]) == ("intent", change.token)
        assert (intent["operation"], intent["resource"], intent["plan"]) == (OPERATION, "in vpc-1", "p")
        [seen] = journal.mutations()
        assert (seen.result, seen.time) == ("interrupted or under way", "2027-01-15T08:00:00Z")
        assert journal.open_token("p") == change.token


def test_the_outcome_follows_with_the_request_id(journal: Journal) -> None:
    """After the block the journal names the created resource, and the token is not reused."""
    make(journal)
    [seen] = journal.mutations()
    assert (seen.result, seen.resource, seen.request_id) == ("succeeded", "ep-1", "R-1")
    assert journal.open_token("p") == ""


@pytest.mark.parametrize(
    ("failure", "result", "is_open"),
    [
        (ServiceUnavailable("down.", operation=OPERATION), "no answer", True),
        (hopeless(), "no answer", True),
        (KeyboardInterrupt(), "no answer", True),
        (RuntimeError("a bug"), "no answer", True),
        (AuthenticationFailed("expired.", operation=OPERATION, code="Invalid"), "refused", True),
        (NotFound("gone.", operation=OPERATION, code="C", request_id="R-2"), "refused", False),
        (Conflict("mismatch.", operation=OPERATION, code="C"), "refused", False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_a_refusal_that_was_read_closes_the_intent(
    journal: Journal,
    failure: BaseException,
    result: str,
    is_open: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A change that may have happened keeps its token for the next attempt; a refused one does not."""
    fail(journal, failure)
    [seen] = journal.mutations()
    assert seen.result == result
    assert bool(journal.open_token("p")) is is_open
    assert (seen.code, seen.request_id) == (getattr(failure, "code", ""), getattr(failure, "request_id", ""))


def test_a_token_that_was_sent_again_is_closed_by_either_outcome(journal: Journal) -> None:
    """An open intent from a crash is closed once a later one with its token has succeeded."""
    fail(journal, KeyboardInterrupt())
    token = journal.open_token("p")
    assert make(journal, token=token) == token
    assert journal.open_token("p") == ""
    assert journal.open_token("another plan") == ""


def test_a_token_that_was_refused_for_other_options_stays_while_a_list_may_lag(tmp_path: Path) -> None:
    """After a refusal for other options, no other token is sent for ten minutes, unless the list shows it."""
    now = 1_800_000_000.0
    journal = Journal(tmp_path / "state", now=lambda: now)
    fail(journal, KeyboardInterrupt())
    token = journal.open_token("p")
    for _ in range(2):
        now += 290
        fail(
            journal,
            Conflict("other options.", operation=OPERATION, code="IdempotentParameterMismatch"),
            token=token,
        )
        assert journal.open_token("p") == token
    assert [change.result for change in journal.mutations()] == ["refused", "refused", "no answer"]
    now += 21
    assert journal.open_token("p") == ""
    now -= 21
    journal.conclude_as_created("p", "ep-9")
    assert journal.open_token("p") == ""


def test_the_ten_minutes_start_with_the_last_call_that_may_have_succeeded(tmp_path: Path) -> None:
    """The ten minutes start with the last call of the token that may have created an endpoint."""
    now = 1_800_000_000.0
    journal = Journal(tmp_path / "state", now=lambda: now)
    fail(journal, KeyboardInterrupt())
    token = journal.open_token("p")
    now += 3600
    fail(journal, KeyboardInterrupt(), token=token)
    now += 300
    mismatch = Conflict("other options.", operation=OPERATION, code="IdempotentParameterMismatch")
    fail(journal, mismatch, token=token)
    assert journal.open_token("p") == token
    now += 301
    assert journal.open_token("p") == ""


def test_a_refusal_does_not_undo_an_earlier_possible_success(tmp_path: Path) -> None:
    """After a lost answer and a refusal, the token stays in use while a list may lag."""
    now = 1_800_000_000.0
    journal = Journal(tmp_path / "state", now=lambda: now)
    fail(journal, KeyboardInterrupt())
    token = journal.open_token("p")
    now += 60
    fail(journal, Conflict("a quota.", operation=OPERATION, code="QuotaExceeded"), token=token)
    assert journal.open_token("p") == token
    assert journal.used_token("p") == token
    now += 541
    assert journal.open_token("p") == ""
    assert journal.used_token("p") == token


def test_a_token_without_success_is_not_used_again(journal: Journal) -> None:
    """A token refused at its only call is neither open nor used; one that succeeded is the last used."""
    made = make(journal, token="")
    fail(journal, Conflict("a quota.", operation=OPERATION, code="QuotaExceeded"))
    assert journal.open_token("p") == ""
    assert journal.used_token("p") == made


def test_the_last_resource_of_a_plan_is_known(journal: Journal) -> None:
    """Only resources that this plan created or found count, without failures."""
    assert journal.last_created("p") == ""
    make(journal)
    make(journal, plan="another plan")
    fail(journal, Conflict("a quota.", operation=OPERATION, code="QuotaExceeded"))
    fail(journal, KeyboardInterrupt())
    assert journal.last_created("p") == "ep-1"
    journal.conclude_as_created("p", "ep-9")
    assert (journal.last_created("p"), journal.last_created("another plan")) == ("ep-9", "ep-1")


def test_a_found_endpoint_closes_the_intent(journal: Journal) -> None:
    """An adopted endpoint closes the lost creation's intent, and its token is not reused."""
    fail(journal, KeyboardInterrupt())
    journal.conclude_as_created("p", "ep-9")
    assert journal.open_token("p") == ""
    [seen] = journal.mutations()
    assert (seen.result, seen.resource) == ("found later", "ep-9")


def test_tokens_are_new_and_fit() -> None:
    """A ClientToken is ASCII of at most 64 characters, and unique."""
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(token.isascii() and token.isalnum() and len(token) <= 64 for token in tokens)


def test_files_are_private_from_the_first_byte(journal: Journal, tmp_path: Path) -> None:
    """The directory has mode 0700 and files 0600, whatever the umask; a file opened to others is restored."""
    before = os.umask(0)
    try:
        make(journal)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()} == {0o600}
    journal.path.chmod(0o666)
    make(journal)
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_the_state_directory_is_the_users_or_the_one_that_is_named(tmp_path: Path) -> None:
    """TIDB_PE_STATE_DIR has priority over the platform's directory for program state."""
    assert state_directory({"TIDB_PE_STATE_DIR": str(tmp_path)}) == tmp_path
    assert state_directory({}).name == "tidb_pe_magic"
    assert os.environ["XDG_STATE_HOME"] in str(state_directory({}))


# The remains of a crash, and the files of another user.


def _journal_of_three(directory: Path) -> Journal:
    journal = Journal(directory)
    make(journal, plan="first")
    fail(journal, KeyboardInterrupt())
    return journal


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(1, 400), tail=st.binary(max_size=20).filter(lambda tail: b"\n" not in tail))
@example(cut=1, tail=b"")
def test_a_line_cut_off_by_a_crash_is_tolerated(cut: int, tail: bytes) -> None:
    """A partial last line is ignored, and the next record replaces it."""
    with tempfile.TemporaryDirectory() as directory:
        journal = _journal_of_three(Path(directory))
        data = journal.path.read_bytes()
        last = data.rstrip(b"\n").rfind(b"\n") + 1
        journal.path.write_bytes(data[: max(last, len(data) - cut)] + tail)
        read = journal.mutations()
        assert [mutation.resource for mutation in read][-1] == "ep-1"
        assert journal.open_token("p")
        make(journal, plan="next")
        assert journal.corrupt_lines() == ()
        assert len(journal.mutations()) == len(read) + 1


@settings(deadline=None, max_examples=60)
@given(
    st.binary(min_size=1, max_size=60).filter(lambda line: b"\n" not in line)
    | st.sampled_from([b"{}", b"[]", b"null", b'{"record": 1, "id": "x"}', b"[" * 5000, b"9" * 5000, b""]),
    st.integers(0, 4),
)
def test_a_corrupt_line_refuses_changes_and_stops_no_read(line: bytes, where: int) -> None:
    """An invalid complete line is reported and blocks changes, and history shows the rest."""
    with tempfile.TemporaryDirectory() as directory:
        journal = _journal_of_three(Path(directory))
        good = journal.path.read_bytes().splitlines(keepends=True)
        journal.path.write_bytes(b"".join([*good[:where], line + b"\n", *good[where:]]))
        before = journal.path.read_bytes()
        with pytest.raises(JournalError, match=f"line {where + 1} is corrupt"):
            make(journal)
        with pytest.raises(JournalError):
            journal.check()
        assert journal.path.read_bytes() == before
        assert journal.corrupt_lines() == (where + 1,)
        assert len(journal.mutations()) == 2


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300))
def test_any_file_at_all_is_read(data: bytes) -> None:
    """Reading any file succeeds; a change is recorded, or refused in one line with the file unchanged."""
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(Path(directory))
        journal.path.write_bytes(data)
        journal.mutations()
        journal.open_token("p")
        try:
            make(journal)
        except JournalError:
            assert journal.path.read_bytes() == data
        else:
            assert journal.mutations()[0].resource == "ep-1"


def refusal(journal: Journal) -> str:
    """Return the error with which a change is refused in advance."""
    entered = False
    with pytest.raises(JournalError) as caught, journal.change(OPERATION, "in vpc-1", region_id="r"):
        entered = True
    assert not entered
    assert isinstance(caught.value, TidbPeError)
    assert "nothing was changed" in str(caught.value)
    return str(caught.value)


def test_a_directory_that_is_a_file_refuses(tmp_path: Path) -> None:
    """A file in place of the directory is refused with the system's reason."""
    (tmp_path / "state").write_text("")
    assert re.search("File exists|Not a directory", refusal(Journal(tmp_path / "state")))
    assert "Not a directory" in refusal(Journal(tmp_path / "state" / "deeper"))


def test_a_journal_that_is_a_directory_refuses(tmp_path: Path) -> None:
    """A directory in place of the journal is refused with the system's reason."""
    (tmp_path / "journal.jsonl").mkdir()
    assert "Is a directory" in refusal(Journal(tmp_path))


@pytest.mark.parametrize("target", ["/dev/full", "/dev/null", "elsewhere"])
def test_a_journal_that_points_elsewhere_refuses(tmp_path: Path, target: str) -> None:
    """A symbolic link to a device or to another file is not followed."""
    (tmp_path / "journal.jsonl").symlink_to(target)
    assert re.search("symbolic links|regular file", refusal(Journal(tmp_path)))


def test_a_pipe_in_its_place_refuses_at_once(tmp_path: Path) -> None:
    """A pipe is refused immediately, because opening one without a reader would block the kernel."""
    os.mkfifo(tmp_path / "journal.jsonl")
    assert "regular file" in refusal(Journal(tmp_path))


def test_a_directory_that_others_can_write_to_refuses(tmp_path: Path) -> None:
    """A directory that other users can write to is refused, because they could replace the journal."""
    tmp_path.chmod(0o777)
    assert "other users can write" in refusal(Journal(tmp_path))
    with pytest.raises(PermissionError):
        ensure_private(tmp_path)


def test_a_file_of_another_user_refuses(tmp_path: Path) -> None:
    """Another user's journal is neither read for a token nor written to."""
    path = Path("/etc/passwd")
    if os.geteuid() == 0:  # Only root can change a file's owner, and owns this one.
        journal = Journal(tmp_path)
        make(journal)
        path = journal.path
        os.chown(path, 12345, 12345)
        assert "another user" in refusal(journal)
    with pytest.raises(PermissionError, match="another user"):
        open_private(path, os.O_RDONLY)


FULL = """
import resource, signal, sys
from pathlib import Path
from tidb_pe_magic.errors import JournalError
from tidb_pe_magic.runtime.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path(sys.argv[1]))
size = journal.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, size + 40))
try:
    with journal.change("Op", "x", region_id="r"):
        print("entered")
except JournalError as error:
    print(error)
print(journal.path.stat().st_size - size)
"""


def test_a_full_disk_refuses_and_leaves_the_journal_whole(journal: Journal) -> None:
    """A record that fits only partially is removed, in a process with a limit on file sizes."""
    make(journal)
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(journal.path.parent)], capture_output=True, text=True, check=True
    )
    said, grown = run.stdout.splitlines()
    assert "nothing was changed" in said
    assert "File too large" in said
    assert grown == "0"
    make(journal)


def test_an_unwritable_outcome_does_not_hide_the_result(tmp_path: Path) -> None:
    """After a change an unwritable outcome is reported, the result stays, and the intent stays open."""
    told: list[str] = []
    journal = Journal(tmp_path, on_problem=told.append)
    with journal.change(OPERATION, "in vpc-1", region_id="r", plan="p") as change:
        with journal.path.open("a") as file:
            file.write("nonsense\n")
        change.resource = "ep-1"
    assert len(told) == 1
    assert "line 2 is corrupt" in told[0]
    assert journal.open_token("p") == change.token


WRITER = """
import sys
from pathlib import Path
from tidb_pe_magic.runtime.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(30):
    with journal.change("Op", f"{sys.argv[2]}-{number}", region_id="r"):
        pass
"""


def test_processes_that_write_at_once_lose_no_line(journal: Journal) -> None:
    """When three processes append sixty records each, every record is present and complete."""
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(journal.path.parent), name]) for name in "abc"
    ]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert journal.corrupt_lines() == ()
    found = {mutation.resource for mutation in journal.mutations() if mutation.result == "succeeded"}
    assert found == {f"{name}-{number}" for name in "abc" for number in range(30)}


def test_a_later_versions_records_are_preserved(journal: Journal) -> None:
    """Unknown records and fields of a later version are not corruption."""
    make(journal)
    JournalFile(journal.path).append({"record": "novelty", "id": "x", "more": {"a": [1]}})
    make(journal)
    assert len(journal.mutations()) == 2
