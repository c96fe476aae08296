"""Claims that no wait would ever grant."""

from __future__ import annotations

import msgspec

from hardpoint.executor.throttle.lots import Holder, Lot
from hardpoint.executor.throttle.pool import Limit
from hardpoint.plugin_api import UserError


class ClaimTooLargeError(UserError):
    """A claim that its pool could never grant: refused instead of waiting for ever."""


class TooLarge(msgspec.Struct, frozen=True):
    """Holders that wait for more than there is.

    Args:
        holders: Who; they wait no more.
        pool: Of which they claim too much.
        units: What each claims.
        most: What their tenant could be granted at most, when nobody holds anything.
        limit: What sets that: capacity, a cap, or what other tenants never lend.
    """

    holders: tuple[Holder, ...]
    pool: str
    units: int
    most: int
    limit: Limit

    def error(self) -> ClaimTooLargeError:
        """What their nodes are to fail with."""
        match self.limit:
            case Limit.CAP:
                why, hint = "its tenant may hold", "raise the cap of its project or domain"
            case Limit.LEND:
                why, hint = "others leave its tenant", "let other tenants lend more of their guarantees"
            case _:
                why, hint = "the pool has", "declare a larger pool"
        return ClaimTooLargeError(
            f"A claim of {self.units} units of pool `{self.pool}` can never be granted: {why} {self.most}",
            hint=f"Claim less, or {hint}",
        )


def excess(lot: Lot) -> tuple[str, int, int, Limit] | None:
    """Pool, units, most and limit of a claim that is too large; None if each could be granted some day."""
    for share, units in lot.needs:
        # A pool without units is closed, not too small: its operator will open it again.
        if share.pool.is_limited and share.pool.root.cap != 0:
            most, limit = share.pool.most(share)
            if units > most:
                return share.pool.name, units, most, limit
    return None
