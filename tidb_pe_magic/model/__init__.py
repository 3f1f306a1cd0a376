"""What the clouds hold and what the steps answer, in the clouds' own nouns; no I/O.

States are plain strings, compared with the enums below: a state that a cloud adds later is shown,
never a failure.
"""

from __future__ import annotations

from tidb_pe_magic.model.base import Restriction, Result
from tidb_pe_magic.model.clusters import Cluster, Clusters, EndpointService
from tidb_pe_magic.model.connections import (
    Connection,
    Disconnection,
    FinishedStep,
    RunbookStatus,
    RunReport,
    StepStatus,
    TlsMode,
    TlsReport,
)
from tidb_pe_magic.model.endpoints import (
    OUR_TAG,
    ConnectionStatus,
    CreatedEndpoint,
    Deletion,
    EndpointPlan,
    Endpoints,
    EndpointStatus,
    EndpointZone,
    VerifiedService,
    VpcEndpoint,
)
from tidb_pe_magic.model.events import (
    EndpointObserved,
    Event,
    EventHook,
    ObservationFailed,
    PlanShown,
    StepFinished,
    StepStarted,
)
from tidb_pe_magic.model.networks import Networks, SecurityGroup, Vpc, VSwitch

__all__ = [
    "OUR_TAG",
    "Cluster",
    "Clusters",
    "Connection",
    "ConnectionStatus",
    "CreatedEndpoint",
    "Deletion",
    "Disconnection",
    "EndpointObserved",
    "EndpointPlan",
    "EndpointService",
    "EndpointStatus",
    "EndpointZone",
    "Endpoints",
    "Event",
    "EventHook",
    "FinishedStep",
    "Networks",
    "ObservationFailed",
    "PlanShown",
    "Restriction",
    "Result",
    "RunReport",
    "RunbookStatus",
    "SecurityGroup",
    "StepFinished",
    "StepStarted",
    "StepStatus",
    "TlsMode",
    "TlsReport",
    "VSwitch",
    "VerifiedService",
    "Vpc",
    "VpcEndpoint",
]
