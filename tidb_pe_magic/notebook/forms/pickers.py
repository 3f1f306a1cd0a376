"""Fields whose controls list the clouds' resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traitlets import TraitError

from tidb_pe_magic.commands.requests import ZoneChoice
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.notebook.forms import widgets
from tidb_pe_magic.notebook.forms.fields import Field
from tidb_pe_magic.notebook.forms.page_sync import use_one_thread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic import model

    Offer = tuple[str, str]

# An empty value means the default: with None, the control would be blank.
_CHOOSE: Offer = ("— not chosen —", "")
_ROWS = 6


class Picker(Field):
    """A field with one of the listed values."""

    def _make(self) -> Any:
        return self._with_description(widgets.Dropdown(options=[_CHOOSE], value=""))

    def _display(self, value: Any) -> None:
        self.control.value = self._control_value(value)

    def _control_value(self, value: Any) -> str | None:
        return value or ""

    def _request_value(self) -> Any:
        return self.control.value or None

    def offer(self, offers: Iterable[Offer], *, none: Offer | None = _CHOOSE) -> None:
        """List these values with their labels; a current value that is not listed is reset.

        Args:
            offers: label and value of each.
            none: label of the default; None without a default.
        """
        options = [*([none] if none else []), *offers]
        kept = self.value if any(self.value == value for _, value in options) else None
        with self._quietly():
            self.control.options = options
            self.control.value = self._control_value(kept)
        self._value = kept
        self.show_error("")


class ListPicker(Picker):
    """The same field as a list that shows several values at once."""

    def _make(self) -> Any:
        return self._with_description(widgets.Select(options=[], rows=_ROWS))

    def _control_value(self, value: Any) -> str | None:
        return value or None

    def offer(self, offers: Iterable[Offer], *, none: Offer | None = None) -> None:
        """List these values."""
        super().offer(offers, none=none)


class SeveralPicker(Field):
    """A field with several of the listed values."""

    def _make(self) -> Any:
        return self._with_description(widgets.SelectMultiple(options=[], rows=3))

    def _display(self, value: Any) -> None:
        self.control.value = value

    def _request_value(self) -> Any:
        return self.control.value or None

    def offer(self, offers: Iterable[Offer]) -> None:
        """List these values; current values that are not listed are dropped."""
        options = list(offers)
        kept = tuple(value for value in self.value if any(value == offered for _, offered in options))
        with self._quietly():
            self.control.options = options
            self.control.value = kept
        self._value = kept
        self.show_error("")


class ZonePicker(Field):
    """The endpoint's zones, each with a vSwitch: one control for each zone of the service."""

    def _make(self) -> Any:
        self._zones: dict[str, Any] = {}
        return widgets.VBox([]).add_class("tidb-pe-zones")

    def _display(self, value: Any) -> None:
        chosen = {choice.zone_id: choice.vswitch_id for choice in value}
        offered = {zone: [each for _, each in control.options] for zone, control in self._zones.items()}
        if any(vswitch not in offered.get(zone, ()) for zone, vswitch in chosen.items()):
            msg = "a zone or vSwitch that is not listed"
            raise TraitError(msg)
        for zone_id, control in self._zones.items():
            control.value = chosen.get(zone_id, "")

    def _request_value(self) -> Any:
        chosen = tuple(
            ZoneChoice(zone_id, control.value) for zone_id, control in self._zones.items() if control.value
        )
        return chosen or None

    def offer(self, networks: model.Networks | None, vpc: model.Vpc | None) -> None:
        """List the VPC's usable vSwitches for each zone; empty without networks."""
        before = self.control.children
        with self._quietly():
            self._zones = {}
            if networks is not None:
                self._zones = {zone: self._zone(networks, vpc, zone) for zone in networks.zones}
            use_one_thread(*self._zones.values())
            self.control.children = tuple(self._zones.values())
            try:
                self._display(self._value)
            except TraitError:  # some of them are no longer listed
                self._value = ()
        # A form that was closed meanwhile shows nothing more.
        widgets.close(*(before if self.control.comm is not None else (*before, *self._zones.values())))
        self.show_error("")

    def _zone(self, networks: model.Networks, vpc: model.Vpc | None, zone_id: str) -> Any:
        usable = [
            (
                f"{vswitch.vswitch_id} ({vswitch.name or 'no name'}, {vswitch.available_ip_count} free)",
                vswitch.vswitch_id,
            )
            for vswitch in (vpc.vswitches if vpc else ())
            if vswitch.zone_id == zone_id and not networks.vswitch_obstacle(vswitch)
        ]
        none = "— no usable vSwitch —" if vpc else "— choose a VPC first —"
        words = "— not in this zone —" if usable else none
        control = widgets.Dropdown(
            options=[(words, ""), *usable],
            value="",
            description=f"Zone {zone_id}",
            tooltip=self.option.help,
        )
        control.observe(without_values()(self._on_change), "value")
        return control
