"""What `connect @NAME` opens again, and what to say where its endpoint is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.steps import saved_connections

if TYPE_CHECKING:
    from tidb_pe_magic.model import SavedConnection
    from tidb_pe_magic.runtime.context import Context


def is_gone(context: Context, saved: SavedConnection) -> bool:
    """Tell whether Alibaba Cloud says that the saved endpoint is gone; False where it cannot be asked."""
    try:
        context.alibaba(saved.cluster.region_id).endpoint(saved.endpoint_id)
    except errors.NotFound:
        return True
    except errors.TidbPeError:
        return False
    return False


def stale(
    context: Context, saved: SavedConnection, failure: errors.ConnectionFailed
) -> errors.ConnectionFailed:
    """Return the failure of a saved connection whose endpoint was deleted: what was saved, and when."""
    when = saved_connections.saved_at(context.environ, saved.name)
    return errors.ConnectionFailed(
        failure.stage,
        f"endpoint {saved.endpoint_id} no longer exists. @{saved.name} was saved on {when:%Y-%m-%d %H:%M} "
        f"UTC for cluster {saved.cluster.display_name} in {saved.cluster.region_id}.",
        advice=Advice(
            "Connect over the cluster's present endpoint and save the connection again, or delete it.",
            Suggestion("connect", "--cluster", saved.cluster.cluster_id, "--alias", saved.name, "--save"),
            Suggestion("disconnect", "--alias", saved.name, "--forget"),
        ),
        kind=failure.kind,
    )
