"""What `hardpoint.toml` may hold, as frozen types.

What is left out is `UNSET`: it is as plugins declare it, or as hardpoint has it by default. TOML has no
word for nothing, so "no limit" is spelled: `unlimited`, `never`, `all`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hardpoint.executor.config.tenant_limits import NO_LIMITS, TenantLimits, TenantLimitSettings, limits_of
from hardpoint.plugin_api import RateLimit

Unlimited = Literal["unlimited"]

Units = Annotated[int, Meta(ge=0)]
UnitsOrUnlimited = Annotated[
    Units | Unlimited | UnsetType, Meta(description='a whole number from 0 on, or "unlimited"')
]


class TenantSettings(Struct, frozen=True, omit_defaults=True):
    """The place of a project in a pool, or of a domain within its project; see `TenantPolicy`."""

    weight: Annotated[
        Annotated[float, Meta(gt=0)] | UnsetType, Meta(description="a number above 0, such as 2.0")
    ] = UNSET
    guarantee: Annotated[Units | UnsetType, Meta(description="a whole number from 0 on")] = UNSET
    cap: UnitsOrUnlimited = UNSET
    lend: Annotated[
        Units | Literal["all"] | UnsetType, Meta(description='a whole number from 0 on, or "all"')
    ] = UNSET


class PoolSettings(Struct, frozen=True, omit_defaults=True):
    """What is set of a pool; see `PoolPolicy`. Domains are named `PROJECT/DOMAIN`."""

    capacity: UnitsOrUnlimited = UNSET
    reserve_after_s: Annotated[
        Annotated[float, Meta(ge=0)] | Literal["never"] | UnsetType,
        Meta(description='seconds from 0 on, or "never"'),
    ] = UNSET
    each_project: TenantSettings = TenantSettings()
    each_domain: TenantSettings = TenantSettings()
    projects: dict[str, TenantSettings] = {}
    domains: dict[str, TenantSettings] = {}


class RateSettings(Struct, frozen=True, omit_defaults=True):
    """Calls that an account accepts; see `RateLimit`."""

    reads_per_s: Annotated[float, Meta(gt=0, description="calls per second, above 0")]
    writes_per_s: Annotated[float, Meta(gt=0, description="calls per second, above 0")]
    burst: Annotated[int, Meta(ge=1, description="a whole number from 1 on")] = 10


Bytes = Annotated[
    int | str | None, Meta(description='bytes, as a number above 0 or as text such as "16 GiB" or "512 MB"')
]


class LocalSettings(Struct, frozen=True, omit_defaults=True):
    """What Python tasks of one executor may use of its machine; None: whatever there is.

    Args:
        workers: Worker processes.
        cpu: Cores.
        memory_bytes: Memory; `memory` in the file, where it may be text.
        gpu: Devices.
    """

    workers: int | None = None
    cpu: float | None = None
    memory_bytes: int | None = None
    gpu: int | None = None


Patterns = Annotated[
    tuple[Annotated[str, Meta(min_length=1)], ...],
    Meta(description='a list of names of distributions, such as ["hardpoint-*", "acme-spark"]'),
]


class PluginSettings(Struct, frozen=True, omit_defaults=True):
    """Which installed plugins may be imported; see `Permits`."""

    allow: Patterns = ("*",)
    deny: Patterns = ()


class WrittenLocal(Struct, frozen=True):
    """The table `[local]` as it is written."""

    workers: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="a whole number from 1 on")] = None
    cpu: Annotated[Annotated[float, Meta(gt=0)] | None, Meta(description="cores, above 0, such as 7.5")] = (
        None
    )
    memory: Bytes = None
    gpu: Annotated[Units | None, Meta(description="a whole number from 0 on")] = None


class WrittenSettings(Struct, frozen=True):
    """The whole file as it is written."""

    pools: dict[str, PoolSettings] = {}
    rates: dict[str, RateSettings] = {}
    tenants: dict[str, TenantLimitSettings] = {}
    local: WrittenLocal = WrittenLocal()
    plugins: PluginSettings = PluginSettings()


class Settings(Struct, frozen=True):
    """What an operator set.

    Args:
        source: The file, for messages; empty if there is none.
        pools: By name; a trailing `*` stands for every pool whose name begins so.
        rates: As if plugins had declared them.
        tenants: By `PROJECT/DOMAIN`, `PROJECT` or `*`.
        local: For Python tasks.
        plugins: What is let in of what is installed.

    >>> NO_SETTINGS.limits("ads", "production").max_queued
    1000
    """

    source: str = ""
    pools: dict[str, PoolSettings] = {}
    rates: tuple[RateLimit, ...] = ()
    tenants: dict[str, TenantLimitSettings] = {}
    local: LocalSettings = LocalSettings()
    plugins: PluginSettings = PluginSettings()

    def limits(self, project: str, domain: str) -> TenantLimits:
        """How many runs a tenant may have at once, and how many may wait."""
        return limits_of(self.tenants, project, domain) if self.tenants else NO_LIMITS


NO_SETTINGS = Settings()


def settings_dict(settings: Struct) -> dict[str, object]:
    """What is set, as plain values, for `--json`.

    >>> settings_dict(PoolSettings(capacity=4))
    {'capacity': 4}
    """
    found: dict[str, object] = msgspec.to_builtins(settings)
    return found
