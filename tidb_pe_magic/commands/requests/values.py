"""Rules for the text of a field: IDs, names, sizes and parameters, read and written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn, Self

from tidb_pe_magic.commands.fields import non_empty, not_longer, pattern_rule, text_up_to
from tidb_pe_magic.text import is_visible

vpc_id = pattern_rule(r"vpc-[A-Za-z0-9]+", "a VPC ID looks like vpc-t4nabc123")
security_group_id = pattern_rule(r"sg-[A-Za-z0-9]+", "a security group ID looks like sg-t4nabc123")
endpoint_id = pattern_rule(r"ep-[A-Za-z0-9]+", "an endpoint ID looks like ep-t4nabc123")
# A region ID is a label in the host names of its APIs; a label has at most 63 characters (RFC 1035).
region_id = pattern_rule(r"[a-z]{2,}(?:-[a-z0-9]+)+", "a region ID looks like ap-southeast-1", longest=63)
alias_name = pattern_rule(
    r"[A-Za-z_][A-Za-z0-9_]*", "an alias is a letter or underscore, then letters, digits or underscores"
)
# EndpointName of CreateVpcEndpoint (Alibaba Cloud API reference, PrivateLink 2020-04-15).
endpoint_name = pattern_rule(
    r"[A-Za-z\u4e00-\u9fff][A-Za-z0-9_\-\u4e00-\u9fff]{1,127}",
    "2 to 128 letters, digits, hyphens or underscores, starting with a letter",
)
_zone_id = pattern_rule(r"[a-z]{2,}-[a-z0-9-]*[a-z0-9]", "a zone ID looks like ap-southeast-1a")
_vswitch_id = pattern_rule(r"vsw-[A-Za-z0-9]+", "a vSwitch ID looks like vsw-t4nabc123")
_host = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9]+)?"
)
_LARGEST_PORT = 65535
sql_user_name = pattern_rule(
    r"[A-Za-z0-9_][A-Za-z0-9_.@-]*", "a SQL user's name is letters, digits, underscores, dots, @ or hyphens"
)


# maxLength of displayName (swagger of TiDB Cloud's API v1beta1); an ID has some 20 digits.
_LONGEST_CLUSTER = 64


def cluster_name(text: str) -> str:
    """Read the name or ID of a cluster; the list of clusters rejects other unknown names better."""
    not_longer(non_empty(text), _LONGEST_CLUSTER, "a cluster cannot have such a long name or ID")
    if is_visible(text):
        return text
    msg = "contains a control or direction character, which names and IDs of clusters cannot contain"
    raise ValueError(msg)


def host_name(text: str) -> str:
    """Read a host name or an address; the message does not repeat other text, which may be a password."""
    if _host.fullmatch(text):
        return text
    msg = "must be only a host name or an address, without user, password or port"
    raise ValueError(msg)


def port_number(text: str) -> int:
    """Read a TCP port."""
    if text.isascii() and text.isdigit() and 0 < int(text) <= _LARGEST_PORT:
        return int(text)
    msg = f"must be a number between 1 and {_LARGEST_PORT}"
    raise ValueError(msg)


# SQL names have at most 64 characters (MySQL's limits of identifiers); user names are shorter.
sql_name = text_up_to(128)
certificate_name = text_up_to(253)  # of a host (RFC 1035)
_LONGEST_PATH = 4096  # Linux's PATH_MAX; other systems' limits are lower, except for special notations


def file_path(text: str) -> str:
    """Read the path of a file."""
    not_longer(text, _LONGEST_PATH, "a file path cannot be this long")
    if not text.strip() or "\0" in text:
        msg = "must be the path of a file"
        raise ValueError(msg)
    try:
        Path(text).expanduser()
    except RuntimeError:
        msg = "begins with the home directory of a user that does not exist"
        raise ValueError(msg) from None
    return text


def sql_parameters(text: str) -> Mapping[str, object] | Sequence[object]:
    """Read a statement's parameters: a JSON list, or a JSON object; numbers stay exact."""
    try:
        values: Any = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        values = None
    if isinstance(values, (dict, list)):
        return values
    msg = (
        """must be JSON in single quotes: a list for ? in the SQL, or an object for :name, as '{"name": 1}'"""
    )
    raise ValueError(msg)


def write_parameters(value: object) -> str:
    """Write parameters as the JSON that `sql_parameters` reads; numbers stay exact."""
    if isinstance(value, Mapping):
        items = (f"{json.dumps(str(name))}: {write_parameters(each)}" for name, each in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(write_parameters, value))}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, default=str)


# A database name, a dot and a table name, each of at most 64 characters, maybe in backquotes.
table_name = text_up_to(2 * 66 + 1)


def column_names(text: str) -> tuple[str, ...]:
    """Read column names separated by commas."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        sql_name(name)
    if len(set(names)) < len(names):
        msg = "contains a column twice"
        raise ValueError(msg)
    return names


def write_names(names: Sequence[str]) -> str:
    """Write names as `column_names` reads them."""
    return ",".join(names)


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


_JSON = ".json"
_saved = re.compile(r"@[A-Za-z_][A-Za-z0-9_]{0,127}")
_sizes = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_size = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([KMGT]?)B?", re.ASCII | re.IGNORECASE)


def byte_size(text: str) -> int:
    """Read a number of bytes, such as `800MB` or `2.5GB`."""
    matched = _size.fullmatch(text)
    if matched and (size := int(float(matched[1]) * _sizes[matched[2].upper()])):
        return size
    msg = "must be a size such as 800MB or 2.5GB"
    raise ValueError(msg)


@dataclass(frozen=True)
class ZoneChoice:
    """A zone for the endpoint, and optionally the vSwitch there; `all` means every zone."""

    zone_id: str
    vswitch_id: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ZONE`, `ZONE=VSWITCH` or `all`.

        Raises:
            ValueError: the text is invalid; the message says what would be valid.
        """
        zone, equals, vswitch = text.partition("=")
        if text == "all":
            return cls("all")
        return cls(_zone_id(zone), _vswitch_id(vswitch) if equals else "")

    def __str__(self) -> str:
        """Return the zone as typed."""
        return f"{self.zone_id}={self.vswitch_id}" if self.vswitch_id else self.zone_id


def connection_name(hint: str) -> Callable[[str], str]:
    """Return a rule: the text must be `@NAME` or `@FILE.json`; the value is what follows the @.

    Args:
        hint: ends the message, which does not repeat the text: it may be a password.
    """

    def parse(text: str) -> str:
        if _saved.fullmatch(text):
            return text[1:]
        is_file = text.startswith("@") and text.lower().endswith(_JSON) and len(text) > len("@" + _JSON)
        if is_file and is_visible(text):
            return file_path(text[1:])
        msg = f"must be @NAME or @FILE.json; {hint}"
        raise ValueError(msg)

    return parse


def json_path(text: str) -> str:
    """Read the path of a .json file; the extension distinguishes it from a saved connection's name."""
    if file_path(text).lower().endswith(_JSON) and is_visible(text):
        return text
    msg = "must be the path of a file whose name ends with .json"
    raise ValueError(msg)
