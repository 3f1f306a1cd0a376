"""jupysql's option `autopandas`: on while a connection of ours is open, where the user has set nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPTION = "autopandas"
# Each decides what `%sql` returns.
_OPTIONS = frozenset({_OPTION, "autopolars"})
_FILE = "pyproject.toml"

# The aliases for which the option is on, and the options of jupysql that have it.
_aliases: dict[str, Any] = {}


def turn_on(magic: Any, alias: str) -> bool:
    """Turn the option on for an alias; tell whether it was this that did it.

    What the user has set stays: with `%config`, in IPython's own configuration, or in jupysql's file.
    """
    if magic in _aliases.values():
        _aliases[alias] = magic
        return False
    if any(getattr(magic, name) for name in _OPTIONS) or _is_set(magic):
        return False
    setattr(magic, _OPTION, True)
    _aliases[alias] = magic
    return True


def put_back(alias: str) -> None:
    """Turn the option off again where this alias was the last that it was on for."""
    magic = _aliases.pop(alias, None)
    if magic is not None and magic not in _aliases.values() and not _is_set(magic):
        setattr(magic, _OPTION, False)


def _is_set(magic: Any) -> bool:
    """Tell whether the user has set one of the options, if only to what it is by default."""
    configured = magic.config.get(type(magic).__name__, {})
    return not _OPTIONS.isdisjoint(configured) or any(not _OPTIONS.isdisjoint(each) for each in _files())


def _files() -> Iterator[dict[str, Any]]:
    """Yield the options that jupysql takes from its files: the next `pyproject.toml`, and the user's own."""
    here = Path.cwd()
    nearest = next((path / _FILE for path in (here, *here.parents) if (path / _FILE).exists()), None)
    for path in filter(None, (nearest, Path("~/.jupysql/config").expanduser())):
        try:
            read = tomllib.loads(path.read_text(encoding="utf-8"))
            yield dict(read["tool"]["jupysql"]["SqlMagic"])
        except (OSError, ValueError, KeyError, TypeError):  # jupysql has said what is wrong with it
            continue
