"""One call for the operations, and the types of their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba import errors

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.alibaba.network_seed import RegionZones
    from tidb_pe_magic.sandbox.alibaba.parameters import Parameters
    from tidb_pe_magic.sandbox.alibaba.roles import Roles, TemporaryKey
    from tidb_pe_magic.sandbox.alibaba.world import World

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Call:
    """The world to act on, the parameters, and the time in the provider's notation.

    `caller` is the temporary key that signed; None for the account's RAM user, and for unsigned calls.
    """

    world: World
    parameters: Parameters
    time: str
    roles: Roles
    caller: TemporaryKey | None = None

    def region(self, not_found: errors.Refusal = errors.REGION_NOT_FOUND) -> RegionZones:
        """Return the region from the mandatory RegionId."""
        region_id = self.parameters.required("RegionId")
        for region in self.world.network.regions:
            if region.region_id == region_id:
                return region
        raise errors.ApiError(not_found)


#: An operation that answers immediately.
Query = Callable[[Call], Body]
#: An operation that checks the call and returns a function for the change, so that a dry run can stop in
# between.
Change = Callable[[Call], Callable[[], Body]]
