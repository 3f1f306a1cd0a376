"""What the clouds hold and what the steps answer, in the clouds' own nouns; no I/O.

States are plain strings, compared with the enums below: a state that a cloud adds later is shown,
never a failure.
"""

from __future__ import annotations

from tidb_pe_magic.model.actions import RamAction
from tidb_pe_magic.model.base import Restriction, Result
from tidb_pe_magic.model.clusters import Cluster, Clusters, EndpointService
from tidb_pe_magic.model.connections import (
    ClientFormat,
    Connection,
    ConnectionString,
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
    StateChange,
    VerifiedService,
    VpcEndpoint,
)
from tidb_pe_magic.model.events import (
    EndpointObserved,
    Event,
    EventHook,
    Notice,
    ObservationFailed,
    PlanShown,
    RetryScheduled,
    StepFinished,
    StepStarted,
    changes_with,
)
from tidb_pe_magic.model.findings import (
    STAGES,
    Diagnosis,
    Finding,
    Outcome,
    Permissions,
    Severity,
    Stage,
    Whereabouts,
)
from tidb_pe_magic.model.history import History, Mutation, MutationResult
from tidb_pe_magic.model.networks import Networks, SecurityGroup, Vpc, VSwitch
from tidb_pe_magic.model.security_rules import Access, Judgement, SecurityRule, SecurityRules, judge

__all__ = [
    "OUR_TAG",
    "STAGES",
    "Access",
    "ClientFormat",
    "Cluster",
    "Clusters",
    "Connection",
    "ConnectionStatus",
    "ConnectionString",
    "CreatedEndpoint",
    "Deletion",
    "Diagnosis",
    "Disconnection",
    "EndpointObserved",
    "EndpointPlan",
    "EndpointService",
    "EndpointStatus",
    "EndpointZone",
    "Endpoints",
    "Event",
    "EventHook",
    "Finding",
    "FinishedStep",
    "History",
    "Judgement",
    "Mutation",
    "MutationResult",
    "Networks",
    "Notice",
    "ObservationFailed",
    "Outcome",
    "Permissions",
    "PlanShown",
    "RamAction",
    "Restriction",
    "Result",
    "RetryScheduled",
    "RunReport",
    "RunbookStatus",
    "SecurityGroup",
    "SecurityRule",
    "SecurityRules",
    "Severity",
    "Stage",
    "StateChange",
    "StepFinished",
    "StepStarted",
    "StepStatus",
    "TlsMode",
    "TlsReport",
    "VSwitch",
    "VerifiedService",
    "Vpc",
    "VpcEndpoint",
    "Whereabouts",
    "changes_with",
    "judge",
]
