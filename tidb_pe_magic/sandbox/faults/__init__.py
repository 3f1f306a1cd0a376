"""Faults between a client and the clouds: staged by name, individually, or by a seed.

`Sandbox().faults.add(Fault(kind=Kind.RESET, operation="CreateVpcEndpoint", point=Point.AFTER))` loses one
answer; `Sandbox(fault_seed=7)` stages a reproducible schedule.
"""

from __future__ import annotations

from tidb_pe_magic.sandbox.faults.fault import KINDS, Fault, Kind, Point
from tidb_pe_magic.sandbox.faults.names import parse
from tidb_pe_magic.sandbox.faults.registry import Faults, Hold
from tidb_pe_magic.sandbox.faults.schedule import schedule
from tidb_pe_magic.sandbox.service import Service

__all__ = ["KINDS", "Fault", "Faults", "Hold", "Kind", "Point", "Service", "parse", "schedule"]
