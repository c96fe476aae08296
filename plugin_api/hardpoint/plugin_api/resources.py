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
        return _applies(self.name, pool)


def _applies(declared: str, name: str) -> bool:
    return name.startswith(declared[:-1]) if declared.endswith("*") else name == declared


class ResourceClaim(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one attempt wants of one pool, all or nothing.

    >>> ResourceClaim("athena:primary").units
    1
    """

    pool: str
    units: int = 1


class RateLimit(msgspec.Struct, frozen=True, omit_defaults=True):
    """Calls a service accepts, per account, reads and writes apart.

    The executor keeps to it on every call inside `context.calls`: a step waits until its first call may go,
    and further calls wait at the gate. A service that throttles all the same lowers the rate for a while. Of
    several declarations that apply, one without `*` wins, else the longest; without any there is no limit.

    Args:
        name: `<task type>:<account>`, with the account of `Prepared` and `JobRef`; it is empty while none is
            known. A trailing `*` declares the same for every account that begins so, each for itself.
        reads_per_s: Sustained.
        writes_per_s: Sustained.
        burst: Calls that may come at once after a pause, at least 1.

    >>> RateLimit("athena:*", reads_per_s=20).matches("athena:primary")
    True
    """

    name: str
    reads_per_s: float = 10.0
    writes_per_s: float = 10.0
    burst: int = 10

    def matches(self, account: str) -> bool:
        """Whether this declaration applies to `<task type>:<account>`."""
        return _applies(self.name, account)
