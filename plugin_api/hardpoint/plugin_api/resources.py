"""What is scarce, who wants how much of it, and how often a service may be called."""

from __future__ import annotations

import msgspec


class ResourcePool(msgspec.Struct, frozen=True, omit_defaults=True):
    """Capacity that attempts hold while their job exists.

    Args:
        name: `<task type>:<account or queue>`, such as `athena:primary`. A trailing `*` declares the
            default for every pool that begins so.
        capacity: Units; an attempt claims one or more.
        unit: What one unit is, for the reader.

    >>> ResourcePool("athena:*", capacity=20).matches("athena:primary")
    True
    """

    name: str
    capacity: int
    unit: str = "slots"

    def matches(self, pool: str) -> bool:
        """Whether this declaration applies to the pool of that name."""
        return pool.startswith(self.name[:-1]) if self.name.endswith("*") else pool == self.name


class ResourceClaim(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one attempt wants of one pool, all or nothing.

    >>> ResourceClaim("athena:primary").units
    1
    """

    pool: str
    units: int = 1


class RateLimit(msgspec.Struct, frozen=True, omit_defaults=True):
    """Calls a service accepts, per account, reads and writes apart.

    Args:
        name: As in `ResourcePool`; a trailing `*` is allowed.
        reads_per_s: Sustained.
        writes_per_s: Sustained.
        burst: Calls that may come at once after a pause.
    """

    name: str
    reads_per_s: float = 10.0
    writes_per_s: float = 10.0
    burst: int = 10
