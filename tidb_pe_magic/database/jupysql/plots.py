"""jupysql's plots, imported at their first use.

`sql.plot` imports matplotlib, which takes as long as the rest of jupysql, and most sessions draw nothing.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from contextlib import contextmanager
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

_PACKAGE = "sql"
_NAME = "plot"


@contextmanager
def plots_on_demand() -> Iterator[None]:
    """Let an import of jupysql put off its plots, unless they are imported already."""
    module = None if f"{_PACKAGE}.{_NAME}" in sys.modules else _plots()
    if module is None:
        yield
        return
    sys.modules[module.__name__] = module
    try:
        yield
    except BaseException:
        # The next import of jupysql starts afresh.
        sys.modules.pop(module.__name__, None)
        raise
    # As an import does, which did not happen.
    setattr(sys.modules[_PACKAGE], _NAME, module)


def _plots() -> ModuleType | None:
    """Return the module, which runs its source when one of its names is asked for."""
    package = importlib.util.find_spec(_PACKAGE)
    places = package.submodule_search_locations if package else None
    spec = PathFinder.find_spec(f"{_PACKAGE}.{_NAME}", places) if places else None
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__getattr__"] = _first_use(module, spec.loader.exec_module)
    return module


def _first_use(module: ModuleType, execute: Callable[[ModuleType], None]) -> Callable[[str], Any]:
    """Return what Python calls for a name that the module lacks."""
    lock = threading.RLock()

    def value(name: str) -> Any:
        # Programs that look through all modules ask for names like these.
        if not name.startswith("__"):
            with lock:
                if module.__dict__.get("__getattr__") is value:
                    execute(module)
                    del module.__dict__["__getattr__"]
            if name in module.__dict__:
                return module.__dict__[name]
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}", name=name, obj=module)

    return value
