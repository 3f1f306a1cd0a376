"""The controls for a request's fields: convert the value to the control's text, and input to the value.

Only the request's rule decides what is valid. Errors are shown below the control, and the field keeps its
last valid value.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from traitlets import TraitError

from tidb_pe_magic.advice import magic, with_commands
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.errors import ChoiceRequired, InvalidRequest
from tidb_pe_magic.notebook.forms import widgets
from tidb_pe_magic.notebook.forms.fragments import field_error, hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tidb_pe_magic.commands.fields import Request

_ACRONYMS = {"vpc": "VPC", "tls": "TLS", "ca": "CA"}


class Field:
    """A field of a request as a line of text; subclasses use other controls.

    Attributes:
        name: the field's name in its request.
        label: the option as typed; errors name the field this way.
        control: the input widget.
        box: the control, with the error below it.
        reason: why the control's content is invalid; empty if it is valid.
    """

    def __init__(self, request: type[Request], name: str, *, description: str = "") -> None:
        """Create the control with the field's default.

        Args:
            request: the request class.
            name: the field's name.
            description: the control's label; default: derived from the name.
        """
        self.request, self.name, self.label = request, name, request.label(name)
        self.option = request.options()[name]
        self.default = next(field.default for field in fields(request) if field.name == name)
        if self.default is MISSING:
            self.default = None
        self.description = description or _label(name)
        self.reason = ""
        self._value: Any = self.default
        self._listeners: list[Callable[[], None]] = []
        self._displaying = threading.local()
        self.control = self._make()
        self._error = widgets.HTML().add_class("tidb-pe-error")
        self.box = widgets.VBox([self.control, self._error])
        self.box.add_class("tidb-pe-field").add_class(f"tidb-pe-field-{name.replace('_', '-')}")
        self.control.observe(without_values()(self._on_change), "value")

    @property
    def value(self) -> Any:
        """The last valid value, as in a request."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        """Set the value, from text or a value, and show it; None is the default.

        Raises:
            InvalidRequest: it is invalid; neither the value nor the control has changed.
        """
        checked = self.default if value is None else self.request.check_value(self.name, value)
        try:
            with self._quietly():
                self._display(checked)
        except TraitError:
            raise InvalidRequest(self.label, "is not one of the choices.") from None
        self._value, self.reason = checked, ""
        self.show_error("")

    @property
    def text(self) -> Any:
        """The value as typed; None if it is the default."""
        if self.value == self.default:
            return None
        return (
            tuple(map(self.option.write, self.value)) if self.option.many else self.option.write(self.value)
        )

    def show_error(self, words: str) -> None:
        """Show an error below the control; an empty text clears it."""
        self._error.value = field_error(words)

    def show_hint(self, words: str) -> None:
        """Show below the control that a value is missing."""
        self._error.value = hint(words)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the valid value changes."""
        self._listeners.append(listener)

    def _make(self) -> Any:
        control = widgets.Text(value=self._text(self.default), placeholder=_default(self.option.help))
        return self._with_description(control)

    def _with_description(self, control: Any) -> Any:
        control.description, control.tooltip = self.description, self.option.help
        if "continuous_update" in control.trait_names():
            control.continuous_update = False  # do not validate half a word
        return control

    def _text(self, value: Any) -> str:
        return "" if value is None else self.option.write(value)

    def _display(self, value: Any) -> None:
        """Show a valid value in the control."""
        self.control.value = self._text(value)

    def _request_value(self) -> Any:
        """Return the control's content for the request; None if it is empty."""
        return self.control.value or None

    def _on_change(self, change: Any) -> None:  # noqa: ARG002 - traitlets' signature
        if getattr(self._displaying, "depth", 0):
            return
        typed = self._request_value()
        try:
            value = self.default if typed is None else self.request.check_value(self.name, typed)
        except InvalidRequest as error:
            self._refuse(error.reason)
            return
        self._value, self.reason = value, ""
        self.show_error("")
        for listener in self._listeners:
            listener()

    def _refuse(self, reason: str) -> None:
        """Keep the value, and block requests until the error is corrected."""
        self.reason = reason
        self.show_error(reason)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Ignore changes of the control by this thread (not by others), because they are not user input."""
        self._displaying.depth = getattr(self._displaying, "depth", 0) + 1
        try:
            yield
        finally:
            self._displaying.depth -= 1


class Lines(Field):
    """A field with several values, one per line."""

    def _make(self) -> Any:
        control = widgets.Textarea(value=self._text(self.default), rows=2)
        control.placeholder = f"{self.option.metavar}, one per line"
        return self._with_description(control)

    def _text(self, value: Any) -> str:
        return "\n".join(map(self.option.write, value))

    def _request_value(self) -> Any:
        typed = tuple(line.strip() for line in self.control.value.splitlines() if line.strip())
        return typed or None


class Choice(Field):
    """A field with few valid values."""

    def _make(self) -> Any:
        none = [("— default —", "")] if self.default is None else []
        options = [*none, *((choice, choice) for choice in self.option.choices)]
        return self._with_description(widgets.Dropdown(options=options, value=self._text(self.default)))


class Switch(Field):
    """A field with the values on and off."""

    def _make(self) -> Any:
        return self._with_description(widgets.Checkbox(value=self.default, indent=False))

    def _display(self, value: Any) -> None:
        self.control.value = value

    def _request_value(self) -> Any:
        return self.control.value


class SecretSource(Field):
    """The source of a password. Invalid input is removed, because it may be the password itself."""

    def _refuse(self, reason: str) -> None:
        """Show the error, and restore the control's last valid content."""
        self.show_error(reason)
        with self._quietly():
            self._display(self.value)


def field_for(request: type[Request], name: str, *, description: str = "") -> Field:
    """Return the control that fits the field's option."""
    described = request.options()[name]
    kind = Field
    if isinstance(next(field.default for field in fields(request) if field.name == name), bool):
        kind = Switch
    elif described.choices:
        kind = Choice
    elif described.many:
        kind = Lines
    elif name == "password_from":
        kind = SecretSource
    return kind(request, name, description=description)


class FieldSet:
    """The fields of one kind of request."""

    def __init__(self, request: type[Request], fields: Iterable[Field] = ()) -> None:
        """Create the set; several sets may share a field."""
        self._request = request
        self._built: tuple[dict[str, Any], Request | InvalidRequest] | None = None
        self.fields = tuple(fields)

    def request(self, **given: Any) -> Request:
        """Return the request for the controls' values; the same object until a value changes.

        Args:
            **given: fields without a control, or values that override a control's.

        Raises:
            InvalidRequest: a control's value is invalid, or a required value is missing.
        """
        for field in self.fields:
            if field.reason:
                raise InvalidRequest(field.label, field.reason)
        values = {field.name: field.text for field in self.fields} | given
        if self._built is None or self._built[0] != values:
            try:
                self._built = values, self._request.of(**values)
            except InvalidRequest as error:
                self._built = values, error
        built = self._built[1]
        if isinstance(built, InvalidRequest):
            raise built
        return built

    def show_error(self, error: InvalidRequest, *, clicked: bool = True) -> bool:
        """Show the error below the field that it names; return False if the set has no such field.

        Before a click, an empty field is not an error yet.
        """
        named = [field for field in self.fields if field.label == error.field]
        for field in named:
            # The control already lists the choices.
            if isinstance(error, ChoiceRequired):
                words = f"{error.reason} Choose one."
            else:
                words = with_commands(f"{error.reason} {error.advice}".strip(), error.commands, magic)
            if clicked or field.value:
                field.show_error(words)
            else:
                field.show_hint(words)
        return bool(named)

    def clear_errors(self) -> None:
        """Clear the errors of operations; keep the errors of the fields' own rules."""
        for field in self.fields:
            field.show_error(field.reason)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a field's valid value changes."""
        for field in self.fields:
            field.on_change(listener)


def _label(name: str) -> str:
    """Return a field's name as a label: `tls_name` becomes "TLS name"."""
    first, *rest = (_ACRONYMS.get(word, word) for word in name.strip("_").split("_"))
    return " ".join((first[0].upper() + first[1:], *rest))


def _default(help_text: str) -> str:
    """Return the default from the option's help."""
    found = re.search(r"default: (.+)", help_text)
    return f"default: {found[1]}" if found else ""
