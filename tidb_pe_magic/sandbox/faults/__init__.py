"""What can go wrong on the way to a cloud and back: staged by name, by hand, or by a seed.

`Sandbox().faults.add(Fault(kind=Kind.RESET, operation="CreateVpcEndpoint", point=Point.AFTER))` loses one
answer; `Sandbox(fault_seed=7)` stages a schedule that is the same at each time.
"""

from __future__ import annotations

from tidb_pe_magic.sandbox.faults.fault import KINDS, Fault, Kind, Point, Service
from tidb_pe_magic.sandbox.faults.names import parse
from tidb_pe_magic.sandbox.faults.registry import Call, Faults, Hold
from tidb_pe_magic.sandbox.faults.schedule import schedule

__all__ = ["KINDS", "Call", "Fault", "Faults", "Hold", "Kind", "Point", "Service", "parse", "schedule"]
