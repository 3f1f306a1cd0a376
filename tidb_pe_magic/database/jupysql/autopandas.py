"""jupysql's option `autopandas`: on while this package has an open connection, unless the user set it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPTION = "autopandas"
# Each of these options determines what `%sql` returns.
_OPTIONS = frozenset({_OPTION, "autopolars"})
_FILE = "pyproject.toml"

# The aliases for which the option is on, and jupysql's objects with the option.
_aliases: dict[str, Any] = {}


def turn_on(magic: Any, alias: str) -> bool:
    """Turn the option on for an alias; return whether this call did it.

    The user's setting has precedence: `%config`, IPython's own configuration, or jupysql's file.
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
    """Turn the option off if this alias was the last one that needed it."""
    magic = _aliases.pop(alias, None)
    if magic is not None and magic not in _aliases.values() and not _is_set(magic):
        setattr(magic, _OPTION, False)


def _is_set(magic: Any) -> bool:
    """Return whether the user has set one of the options, even to its default."""
    configured = magic.config.get(type(magic).__name__, {})
    return not _OPTIONS.isdisjoint(configured) or any(not _OPTIONS.isdisjoint(each) for each in _files())


def _files() -> Iterator[dict[str, Any]]:
    """Yield the options in jupysql's files: the nearest `pyproject.toml`, and the user's own file."""
    here = Path.cwd()
    nearest = next((path / _FILE for path in (here, *here.parents) if (path / _FILE).exists()), None)
    for path in filter(None, (nearest, Path("~/.jupysql/config").expanduser())):
        try:
            read = tomllib.loads(path.read_text(encoding="utf-8"))
            yield dict(read["tool"]["jupysql"]["SqlMagic"])
        except (OSError, ValueError, KeyError, TypeError):  # jupysql has already reported the problem
            continue
