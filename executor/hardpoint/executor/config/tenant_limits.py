"""How many runs a tenant may have: what `[tenants]` says for one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

MAX_QUEUED = 1_000

ANY_TENANT = "*"

_Runs = Annotated[
    Annotated[int, Meta(ge=0)] | Literal["unlimited"] | UnsetType,
    Meta(description='a whole number from 0 on, or "unlimited"'),
]


class TenantLimitSettings(Struct, frozen=True, omit_defaults=True):
    """What is set for a tenant, or for many."""

    max_running: _Runs = UNSET
    max_queued: _Runs = UNSET


class TenantLimits(Struct, frozen=True):
    """What holds for one tenant.

    Args:
        max_running: Runs that it may have begun and not ended; None for no limit.
        max_queued: Runs that may wait for their beginning; None for no limit.
    """

    max_running: int | None = None
    max_queued: int | None = MAX_QUEUED


NO_LIMITS = TenantLimits()
"""What holds where nothing is set."""


def limits_of(settings: Mapping[str, TenantLimitSettings], project: str, domain: str) -> TenantLimits:
    """Each limit from the most exact table that sets it: the domain's, its project's, everybody's.

    >>> some = {"*": TenantLimitSettings(max_running=8), "ads": TenantLimitSettings(max_queued="unlimited")}
    >>> limits_of(some, "ads", "test")
    TenantLimits(max_running=8, max_queued=None)
    """
    running: int | None = NO_LIMITS.max_running
    queued: int | None = NO_LIMITS.max_queued
    for name in (ANY_TENANT, project, f"{project}/{domain}"):
        found = settings.get(name)
        if found is not None and found.max_running is not UNSET:
            running = None if found.max_running == "unlimited" else found.max_running
        if found is not None and found.max_queued is not UNSET:
            queued = None if found.max_queued == "unlimited" else found.max_queued
    return TenantLimits(running, queued)
