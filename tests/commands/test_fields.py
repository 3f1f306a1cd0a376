"""Text or values become a request by one rule for every skin."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.commands.fields import Request, non_empty, one_of, option, pattern_rule, seconds, switch
from tidb_pe_magic.errors import InvalidRequest


@dataclass(frozen=True, kw_only=True)
class Order(Request):
    """A request with a field of each kind."""

    dish: str = option("what to eat", default=..., metavar="DISH", parse=non_empty, positional=True)
    side_dish: tuple[str, ...] = option("on the side", default=(), many=True, parse=one_of(["rice", "bread"]))
    patience: float = option("seconds", default=60.0, parse=seconds)
    hot: bool = option("warm it", default=False, parse=switch)
    note: str | None = option("anything", parse=pattern_rule(r"[a-z]+", "small letters"))


def test_a_missing_value_has_its_default() -> None:
    """None means "not given" for every field, which then has its default."""
    expected = Order(dish="soup", side_dish=(), patience=60.0, hot=False, note=None)
    assert Order.of(dish="soup") == expected
    assert Order.of(dish="soup", side_dish=None, patience=None, hot=None, note=None) == expected


@pytest.mark.parametrize("values", [{}, {"dish": None}])
def test_a_required_field_is_named_as_it_is_typed(values: dict[str, None]) -> None:
    """A missing positional field is named by its placeholder, with its help."""
    with pytest.raises(InvalidRequest) as caught:
        Order.of(**values)
    assert (caught.value.field, str(caught.value)) == ("DISH", "DISH: is missing: what to eat.")


def test_text_and_values_make_the_same_request() -> None:
    """A widget's values and a command line's text create the same request."""
    typed = Order.of(dish="soup", side_dish=["rice"], patience="2.5", hot="True", note="salt")
    given_values = Order.of(dish="soup", side_dish=iter(["rice"]), patience=2.5, hot=True, note="salt")
    assert typed == given_values
    assert (typed.patience, typed.hot, typed.side_dish) == (2.5, True, ("rice",))


def test_one_text_is_one_value_of_a_field_that_takes_many() -> None:
    """A string is one value of a field with many values; it is not split into letters."""
    assert Order.of(dish="soup", side_dish="rice").side_dish == ("rice",)


def test_an_unencodable_value_names_the_field_once() -> None:
    """An incomplete character, as from a broken terminal, is refused like any other invalid value."""
    with pytest.raises(InvalidRequest) as caught:
        Order.of(dish="\udce9")
    assert str(caught.value).count(caught.value.field) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"side_dish": ["rice", "rice"]}, "--side-dish: the same value is given twice."),
        ({"side_dish": ["sand"]}, "--side-dish: must be one of rice, bread."),
        ({"side_dish": ["rise"]}, "--side-dish: must be one of rice, bread (did you mean rice?)."),
        ({"patience": "long"}, "--patience: must be a number of seconds above 0."),
        ({"patience": True}, "--patience: must be a number of seconds above 0."),
        ({"hot": "very"}, "--hot: takes no value."),
        ({"note": "NO"}, "--note: 'NO' is not valid: small letters."),
        ({"dish": "  "}, "DISH: must not be empty."),
    ],
)
def test_a_value_that_is_not_valid_names_field_and_rule(values: dict[str, object], message: str) -> None:
    """The error names the field and the valid values, without a chained cause."""
    with pytest.raises(InvalidRequest) as caught:
        Order.of(**{"dish": "soup", **values})
    assert str(caught.value) == message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_request_does_not_change() -> None:
    """A validated request cannot be changed."""
    with pytest.raises(FrozenInstanceError):
        Order.of(dish="soup").dish = "sand"  # type: ignore[misc]


def test_labels_are_typed_as_shown() -> None:
    """A flag has hyphens, a positional field its placeholder, and the fields keep their order."""
    assert [Order.label(name) for name in Order.options()] == [
        "DISH",
        "--side-dish",
        "--patience",
        "--hot",
        "--note",
    ]


def test_a_flag_may_be_a_word_of_pythons() -> None:
    """A flag omits the underscore that separates its field from a Python keyword."""

    @dataclass(frozen=True, kw_only=True)
    class Dish(Request):
        """A request with such a field."""

        with_: str | None = option("on the side")

    assert Dish.label("with_") == "--with"
    assert Dish.of(with_="rice").with_ == "rice"


@given(st.floats() | st.integers())
def test_a_wait_is_finite_and_above_zero(value: float) -> None:
    """Every number is a valid timeout or refused: a wait is finite and above zero."""
    try:
        read = seconds(str(value))
    except ValueError:
        assert not (math.isfinite(float(value)) and value > 0)
    else:
        assert read == float(value)


@given(st.text())
def test_any_text_is_seconds_or_refused(text: str) -> None:
    """Any text gives a finite number above zero or a ValueError."""
    try:
        read = seconds(text)
    except ValueError as error:
        assert str(error) == "must be a number of seconds above 0"  # noqa: PT017 - either outcome is right
    else:
        assert 0 < read < math.inf


@given(st.text())
def test_a_pattern_has_to_fit_as_a_whole(text: str) -> None:
    """A pattern must match the entire text, without a trailing newline or a prefix."""
    rule = pattern_rule(r"[a-z]+", "small letters")
    fits = bool(text) and all("a" <= character <= "z" for character in text)
    if fits:
        assert rule(text) == text
    else:
        with pytest.raises(ValueError, match="small letters"):
            rule(text)


@given(st.text())
def test_a_flag_takes_no_value(text: str) -> None:
    """A flag accepts only the values that the skins set themselves."""
    if text in {"True", "False"}:
        assert switch(text) == (text == "True")
    else:
        with pytest.raises(ValueError, match="takes no value"):
            switch(text)
