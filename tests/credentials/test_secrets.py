"""Secrets stay hidden, and are found where the user stored them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest
from credentials.rings import Ring, using
from hypothesis import given
from hypothesis import strategies as st
from support.secrets_in_traceback import holders

from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.credentials import alibaba, tidb_cloud
from tidb_pe_magic.credentials.secrets import Environment, Key, Password, PasswordSource, Secret, sql_password
from tidb_pe_magic.errors import InvalidRequest, MissingCredentials, TidbPeError

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = "hunter2-and-more"
NOWHERE = {"HOME": "/nonexistent"}
PUBLIC, PRIVATE = "TIDBCLOUD_PUBLIC_KEY", "TIDBCLOUD_PRIVATE_KEY"
KEY_ID, KEY_SECRET = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
secrets = st.text(min_size=1).map(lambda text: f"{HIDDEN}{text}")


class Environ(Mapping[str, str]):
    """An environment whose repr omits its values: the original is not a leak, a copy is."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        """Store the variables."""
        self._values = values

    def __getitem__(self, name: str) -> str:
        """Return a variable."""
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._values)

    def __len__(self) -> int:
        """Count the variables."""
        return len(self._values)


def tidb_cloud_key(environ: Mapping[str, str]) -> Key:
    """Return the key from this environment, without a file."""
    return tidb_cloud.find(Environ({**NOWHERE, **environ})).own_key


def alibaba_key(environ: Mapping[str, str]) -> Key:
    """Return the key from this environment, without a file and outside an instance."""
    return alibaba.find(Environ({**NOWHERE, **environ}), lambda: False).own_key


def nobody(question: str) -> Secret:
    """Fail the test if the code prompts the user."""
    pytest.fail(f"unexpected prompt: {question}")


@given(secrets, st.sampled_from(["", "s", ">40", "!r"]))
def test_a_secret_shows_itself_only_to_reveal(value: str, spec: str) -> None:
    """The repr, str and format of a secret, and the reprs of its containers, omit its value."""
    secret = Secret(value)
    shown = [repr(secret), str(secret), format(secret, spec), f"{secret:>20}", "%s %r" % (secret, secret)]  # noqa: UP031
    shown += [repr(Key("public", secret, secret)), repr(Password(secret, "prompt")), repr([secret])]
    assert not any(HIDDEN in text for text in shown)
    assert secret.reveal() == value


def test_a_secret_has_no_dictionary_to_look_into() -> None:
    """A secret has no vars(), which verbose tracebacks and widgets use."""
    with pytest.raises(TypeError):
        vars(Secret(HIDDEN))


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_does_not_leave_the_process(leave: object) -> None:
    """Pickling and copying a secret, also as part of a key, are refused without showing the value."""
    for holder in (Secret(HIDDEN), Key("public", Secret(HIDDEN))):
        if holder.__class__ is Key and leave is copy.copy:
            continue  # A shallow copy of a key shares its secret within this process.
        with pytest.raises(TypeError) as caught:
            leave(holder)  # type: ignore[operator]
        assert HIDDEN not in str(caught.value)


@given(st.text(), st.text())
def test_secrets_are_equal_where_their_values_are(one: str, other: str) -> None:
    """Equality and hash follow the value, so that a client can be cached by its key; truth means presence."""
    assert (Secret(one) == Secret(other)) == (one == other)
    assert hash(Secret(one)) == hash(Secret(one))
    assert Secret(one) != one
    assert bool(Secret(one)) == bool(one)


@pytest.mark.parametrize("text", ["prompt", "env:NAME", "keyring:my service", "file:C:/a:b", "file:~/x"])
def test_a_password_source_is_written_as_it_is_typed(text: str) -> None:
    """Parsing and writing a source are inverse; only the first colon separates."""
    assert str(PasswordSource.parse(text)) == text


@given(st.text())
def test_no_text_makes_the_source_repeat_it(text: str) -> None:
    """Whatever is typed is a valid source, or a ValueError that lists the forms and omits the text."""
    try:
        source = PasswordSource.parse(text)
    except ValueError as error:
        assert str(error) == "must be prompt, env:NAME, keyring:SERVICE or file:PATH"  # noqa: PT017
    else:
        assert str(source) == text
        assert source.kind in PasswordSource.KINDS


@pytest.mark.parametrize(
    "text", ["", "prompt:", "prompt:x", "env", "env:", "keyring:", "file:", "ENV:X", HIDDEN]
)
def test_half_a_source_is_refused(text: str) -> None:
    """A source without a required name, with an extra name or with another spelling is refused."""
    with pytest.raises(ValueError, match=r"^must be prompt"):
        PasswordSource.parse(text)


def test_the_environment_is_looked_up_at_each_use_and_not_shown() -> None:
    """A variable that is set later counts, and neither repr nor str contains a value."""
    variables = {"A": HIDDEN}
    environ = Environment(variables)
    variables["B"] = "later"
    assert dict(environ) == {"A": HIDDEN, "B": "later"}
    assert environ.get("C") is None
    assert len(environ) == 2
    assert HIDDEN not in f"{environ!r} {environ}"


def test_the_tidb_cloud_key_comes_from_the_environment() -> None:
    """Both halves in the environment give a key, whose private half is a secret."""
    assert tidb_cloud_key({PUBLIC: "pub", PRIVATE: HIDDEN}) == Key("pub", Secret(HIDDEN))


@pytest.mark.parametrize("environ", [{}, {PUBLIC: "pub"}, {PRIVATE: HIDDEN}, {PUBLIC: "", PRIVATE: HIDDEN}])
def test_half_a_tidb_cloud_key_is_none(environ: dict[str, str]) -> None:
    """With half a key the error names both variables and the sandbox, and contains no secret."""
    with pytest.raises(MissingCredentials) as caught:
        tidb_cloud_key(Environ(environ))
    assert PUBLIC in str(caught.value)
    assert PRIVATE in str(caught.value)
    assert Suggestion("sandbox", "start") in caught.value.commands
    assert holders(caught.value, HIDDEN) == []


def test_the_alibaba_key_comes_from_the_environment() -> None:
    """Key and secret are read at each call, with the STS token if set."""
    environ = {KEY_ID: "id", KEY_SECRET: HIDDEN}
    assert alibaba_key(environ) == Key("id", Secret(HIDDEN))
    environ["ALIBABA_CLOUD_SECURITY_TOKEN"] = "sts"
    assert alibaba_key(environ) == Key("id", Secret(HIDDEN), Secret("sts"))


def test_without_an_alibaba_key_every_place_is_named() -> None:
    """Without a key, one line lists the places searched, in order."""
    for environ in ({}, {KEY_ID: "", KEY_SECRET: ""}):
        with pytest.raises(MissingCredentials, match=r"environment, .*~/.aliyun/config.json, .*RAM role"):
            alibaba_key(environ)


@pytest.mark.parametrize(("given_half", "missing"), [(KEY_ID, KEY_SECRET), (KEY_SECRET, KEY_ID)])
def test_half_an_alibaba_key_names_the_other_half(given_half: str, missing: str) -> None:
    """Half a key is an error that names the missing variable, never a fallback to another identity."""
    with pytest.raises(MissingCredentials, match=f"{missing} is unset"):
        alibaba_key({given_half: "half"})


def test_half_an_alibaba_key_is_not_shown() -> None:
    """The error contains neither a secret without its key ID nor an STS token."""
    environ = {KEY_SECRET: f"{HIDDEN}-secret", "ALIBABA_CLOUD_SECURITY_TOKEN": f"{HIDDEN}-token"}
    with pytest.raises(MissingCredentials) as caught:
        alibaba_key(Environ(environ))
    assert holders(caught.value, HIDDEN) == []


def test_without_a_source_the_variable_comes_before_the_prompt() -> None:
    """TIDB_PASSWORD is used if set; otherwise the user is prompted for the password."""
    found = sql_password(None, user="p.root", environ={"TIDB_PASSWORD": HIDDEN}, prompt=nobody)
    assert found == Password(Secret(HIDDEN), "TIDB_PASSWORD")
    asked: list[str] = []

    def prompt(question: str) -> Secret:
        asked.append(question)
        return Secret(HIDDEN)

    found = sql_password(None, user="p.root", environ={"TIDB_PASSWORD": ""}, prompt=prompt)
    assert found == Password(Secret(HIDDEN), "prompt")
    assert asked == ["Password of p.root: "]


def test_a_named_source_comes_before_the_variable() -> None:
    """--password-from env:OTHER reads OTHER, although TIDB_PASSWORD is set."""
    environ = {"TIDB_PASSWORD": "another", "OTHER": HIDDEN}
    found = sql_password(PasswordSource("env", "OTHER"), user="u", environ=environ, prompt=nobody)
    assert found == Password(Secret(HIDDEN), "env:OTHER")


@pytest.mark.parametrize(
    ("source", "label"),
    [
        (None, "TIDB_PASSWORD"),
        (PasswordSource("env", "TIDB_PASSWORD"), "env:"),
        (PasswordSource("prompt"), "prompt"),
    ],
)
def test_a_password_with_invalid_utf8_is_refused_without_it(
    source: PasswordSource | None, label: str
) -> None:
    """The encoding error would contain the password, so the product's error names only the source."""
    password = f"{HIDDEN}\udce9"
    with pytest.raises(InvalidRequest, match=f"^{label}.*not valid UTF-8") as caught:
        sql_password(source, user="u", environ={"TIDB_PASSWORD": password}, prompt=lambda _: Secret(password))
    assert HIDDEN not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_an_empty_password_is_none() -> None:
    """An unset variable and an empty answer are refused, and the error names the source."""
    with pytest.raises(MissingCredentials, match="env:OTHER"):
        sql_password(PasswordSource("env", "OTHER"), user="u", environ={}, prompt=nobody)
    with pytest.raises(MissingCredentials, match="prompt"):
        sql_password(None, user="u", environ={}, prompt=lambda _: Secret(""))


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_password_file_may_end_with_a_newline(tmp_path: Path, end: str) -> None:
    """The final newline of a password file is ignored; spaces are part of the password."""
    path = tmp_path / "password"
    path.write_bytes(f" {HIDDEN} é{end}".encode())
    found = sql_password(PasswordSource("file", str(path)), user="u", environ={}, prompt=nobody)
    assert found.secret.reveal() == f" {HIDDEN} é"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file and a directory are invalid input, each with the system's reason."""
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(InvalidRequest, match=f"file {path} cannot be read: ") as caught:
            sql_password(PasswordSource("file", str(path)), user="u", environ={}, prompt=nobody)
        assert caught.value.field == "--password-from"


def test_a_file_in_another_encoding_is_refused_without_its_content(tmp_path: Path) -> None:
    """A file with invalid UTF-8 is invalid input, and the error does not contain the password."""
    path = tmp_path / "password"
    path.write_bytes(HIDDEN.encode() + b"\xe9")
    with pytest.raises(InvalidRequest, match="cannot be read") as caught:
        sql_password(PasswordSource("file", str(path)), user="u", environ={}, prompt=nobody)
    assert holders(caught.value, HIDDEN) == []


@pytest.mark.parametrize("name", ["~no-such-user-here/x", "nul\0byte"])
def test_a_path_that_is_none_is_wrong_input(name: str) -> None:
    """A missing home directory and a NUL are refused like any other invalid path."""
    with pytest.raises(InvalidRequest, match="cannot be read"):
        sql_password(PasswordSource("file", name), user="u", environ={}, prompt=nobody)


def test_the_keyring_is_asked_for_the_service_and_the_user() -> None:
    """The source keyring:SERVICE finds the password of this SQL user only."""
    source = PasswordSource("keyring", "tidb")
    with using(Ring({("tidb", "p.root"): HIDDEN})):
        found = sql_password(source, user="p.root", environ={}, prompt=nobody)
        assert found == Password(Secret(HIDDEN), "keyring:tidb")
        with pytest.raises(MissingCredentials, match="keyring:tidb"):
            sql_password(source, user="p.other", environ={}, prompt=nobody)


def test_a_locked_keyring_says_so() -> None:
    """The error contains the keyring's own reason."""
    with using(Ring({}, locked=True)), pytest.raises(TidbPeError, match="collection is locked"):
        sql_password(PasswordSource("keyring", "tidb"), user="u", environ={}, prompt=nobody)


def test_blanks_around_a_key_are_left_out() -> None:
    """Spaces around a key are stripped, because a key from a file may end with a line break."""
    assert tidb_cloud_key({PUBLIC: " pub\n", PRIVATE: f"{HIDDEN}\r\n"}) == Key("pub", Secret(HIDDEN))
    environ = {KEY_ID: "id\n", KEY_SECRET: f"{HIDDEN}\n", "ALIBABA_CLOUD_SECURITY_TOKEN": "sts\n"}
    assert alibaba_key(environ) == Key("id", Secret(HIDDEN), Secret("sts"))


@pytest.mark.parametrize("foreign", ["\n", " ", "\x00", "\x7f", "é", "中"])
@pytest.mark.parametrize("name", [PUBLIC, PRIVATE, KEY_ID, KEY_SECRET, "ALIBABA_CLOUD_SECURITY_TOKEN"])
def test_a_key_that_cannot_be_sent_is_refused_by_its_variable(name: str, foreign: str) -> None:
    """A key that cannot be sent in a header is invalid input, and the error omits its value."""
    environ = dict.fromkeys((PUBLIC, PRIVATE, KEY_ID, KEY_SECRET), "good")
    environ[name] = f"{HIDDEN}{foreign}{HIDDEN}"
    with pytest.raises(InvalidRequest) as caught:
        (tidb_cloud_key if name.startswith("TIDBCLOUD") else alibaba_key)(Environ(environ))
    assert caught.value.field == name
    assert holders(caught.value, HIDDEN) == []
