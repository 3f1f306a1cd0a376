"""One call as the operations see it, and what they may answer."""

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

    `caller` is the temporary key that signed; None for the account's one RAM user, and for nobody.
    """

    world: World
    parameters: Parameters
    time: str
    roles: Roles
    caller: TemporaryKey | None = None

    def region(self, not_found: errors.Refusal = errors.REGION_NOT_FOUND) -> RegionZones:
        """Return the region that the mandatory RegionId names."""
        region_id = self.parameters.required("RegionId")
        for region in self.world.network.regions:
            if region.region_id == region_id:
                return region
        raise errors.ApiError(not_found)


#: Answers at once.
Query = Callable[[Call], Body]
#: Checks the call and returns what makes the change, so that a dry run can stop between the two.
Change = Callable[[Call], Callable[[], Body]]
