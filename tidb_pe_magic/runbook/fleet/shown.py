"""An endpoint as what a row shows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidb_pe_magic.model import EndpointStatus, RowState

if TYPE_CHECKING:
    from tidb_pe_magic.model import VpcEndpoint


def states(endpoint: VpcEndpoint) -> str:
    """Return both states in a few words."""
    return f"{endpoint.endpoint_status}, {endpoint.connection_status}"


def of_endpoint(endpoint: VpcEndpoint, *remarks: str, unready: str = RowState.CONNECTING) -> dict[str, Any]:
    """Return the fields of a row that tell of its endpoint.

    Args:
        endpoint: as the cloud has it.
        remarks: what is to be said besides its states.
        unready: the row's state while the endpoint is neither ready nor being deleted.
    """
    state = RowState.READY if endpoint.ready else unready
    if endpoint.endpoint_status == EndpointStatus.DELETING:
        state = RowState.DELETING
    told = {"zones": tuple(zone.zone_id for zone in endpoint.zones)} if endpoint.zones else {}
    return {
        "row_state": state,
        "endpoint_id": endpoint.endpoint_id,
        "host": endpoint.domain,
        "detail": states(endpoint),
        **({"remarks": remarks} if remarks else {}),
        **told,
    }
