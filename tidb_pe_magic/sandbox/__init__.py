"""Both clouds and a database, emulated on the loopback interface: for newcomers, tests and users' own CI.

`with Sandbox() as sandbox: sandbox.environment()` runs it inside a Python process;
`python -m tidb_pe_magic.sandbox` runs it as a separate process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.sandbox import Sandbox

__all__ = ["Sandbox"]


def __getattr__(name: str) -> object:
    # Imported on first use, so that the command line can list missing packages.
    if name != "Sandbox":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from tidb_pe_magic.sandbox.sandbox import Sandbox as Class  # noqa: PLC0415 - see above

    return Class
