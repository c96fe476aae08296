"""What holds for one pool: declared by plugins, set in `hardpoint.toml`, set while executors run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET, Struct

from hardpoint.executor.config.checking import Place, SettingsError, checked
from hardpoint.executor.config.settings import PoolSettings, Settings, TenantSettings
from hardpoint.executor.throttle.policy import RESERVE_AFTER_S, PoolPolicy, Tenant, TenantPolicy
from hardpoint.plugin_api import ResourcePool, UsageError

T = TypeVar("T", bound=Struct)
N = TypeVar("N")

NOTHING_SET = PoolSettings()


def pool_policy(
    pool: str, declared: Iterable[ResourcePool], settings: Settings, live: bytes | None = None
) -> PoolPolicy:
    """The policy of a pool.

    What is set while executors run comes before the file, and the file before what plugins declare; each says
    something only about the fields that it sets, of a pool as of each project and domain in it. Of
    several declarations, or tables of the file, that apply to the pool, the most exact one counts alone.

    Args:
        pool: Its exact name.
        declared: By plugins.
        settings: The operator's file.
        live: From `encode_live`, for this pool; None if nothing is set.

    Raises:
        SettingsError: They contradict each other, or `live` cannot be read.

    >>> declared = [ResourcePool("athena:*", capacity=20)]
    >>> file = Settings(pools={"athena:*": PoolSettings(each_project=TenantSettings(cap=5))})
    >>> policy = pool_policy("athena:primary", declared, file, encode_live(PoolSettings(capacity=8)))
    >>> policy.capacity, policy.each_project.cap
    (8, 5)
    """
    plugin = most_exact({each.name: each for each in declared}, pool)
    base = PoolSettings(capacity="unlimited" if plugin is None else plugin.capacity)
    table = most_exact(settings.pools, pool) or NOTHING_SET
    set_live = NOTHING_SET if live is None else decode_live(pool, live)
    try:
        return _policy(_over(_over(base, table), set_live))
    except UsageError as error:
        sources = [settings.source] * (table != NOTHING_SET) + ["`hardpoint pools set`"] * (live is not None)
        where = f", as set by {' and '.join(filter(None, sources))}" if any(sources) else ""
        raise SettingsError(f"Pool `{pool}`{where}: {error.message}", hint=error.hint) from error


def most_exact(named: Mapping[str, N], name: str) -> N | None:
    """What is said of that very name; else under the longest beginning of it with a `*` behind.

    >>> most_exact({"a:*": 1, "a:b*": 2, "*": 3}, "a:bc")
    2
    """
    if name in named:
        return named[name]
    found = [key for key in named if key.endswith("*") and name.startswith(key[:-1])]
    return named[max(found, key=len)] if found else None


def encode_live(settings: PoolSettings) -> bytes:
    """What is set of a pool while executors run, as the journal keeps it: JSON of the fields that are set.

    >>> encode_live(PoolSettings(capacity=8, domains={"ads/test": TenantSettings(cap="unlimited")}))
    b'{"capacity":8,"domains":{"ads/test":{"cap":"unlimited"}}}'
    """
    return msgspec.json.encode(settings)


def decode_live(pool: str, body: bytes) -> PoolSettings:
    """What `encode_live` wrote.

    Raises:
        SettingsError: It is something else, such as what a newer hardpoint wrote.
    """
    place = Place(f"What is set of pool `{pool}`")
    try:
        raw = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise SettingsError(
            f"{place} cannot be read: {error}", hint=f"Set it again: `hardpoint pools set {pool}`"
        ) from error
    return pool_settings(raw, place)


def pool_settings(raw: object, place: Place) -> PoolSettings:
    """Settings of a pool from plain values, as a table of the file has them.

    Raises:
        SettingsError: A key is unknown, a value does not fit, or two contradict each other.

    >>> pool_settings({"capacity": 4, "projects": {"ads": {"cap": 2}}}, Place("typed")).projects["ads"].cap
    2
    """
    settings = checked(raw, PoolSettings, place)
    check_pool(settings, place)
    return settings


def check_pool(settings: PoolSettings, place: Place) -> None:
    """What the types of a pool's settings do not say.

    Raises:
        SettingsError: A domain is named without its project, or a tenant's settings contradict each other.
    """
    single = {"each_project": settings.each_project, "each_domain": settings.each_domain}
    for below, tenants in ((place, single), (place.below("projects"), settings.projects)):
        for name, tenant in tenants.items():
            _check_tenant(tenant, below.below(name))
    for name, tenant in settings.domains.items():
        project, _, domain = name.partition("/")
        if not project or not domain or "/" in domain:
            raise SettingsError(
                f"{place.below('domains')}: `{name}` names no domain of a project",
                hint=f'Write "PROJECT/DOMAIN", such as "{project or "ads"}/production"',
            )
        _check_tenant(tenant, place.below("domains").below(name))


def _check_tenant(settings: TenantSettings, place: Place) -> None:
    try:
        _tenant(settings)
    except UsageError as error:
        raise SettingsError(f"{place}: {error.message}", hint=error.hint) from error


def live_over(lower: PoolSettings, upper: PoolSettings) -> PoolSettings:
    """Settings with others laid over them, field by field: what a further `hardpoint pools set` keeps.

    >>> live_over(PoolSettings(capacity=4, reserve_after_s=1.0), PoolSettings(capacity=8)).reserve_after_s
    1.0
    """
    return _over(lower, upper)


def _over(lower: T, upper: T) -> T:
    values = {name: _laid(getattr(lower, name), getattr(upper, name)) for name in upper.__struct_fields__}
    return type(upper)(**values)


def _laid(lower: object, upper: object) -> object:
    if isinstance(lower, Struct) and isinstance(upper, Struct):
        return _over(lower, upper)
    if isinstance(lower, dict) and isinstance(upper, dict):
        both = {name: _laid(lower[name], upper[name]) for name in upper if name in lower}
        return lower | upper | both
    return lower if upper is UNSET else upper


def _policy(settings: PoolSettings) -> PoolPolicy:
    capacity, reserve = settings.capacity, settings.reserve_after_s
    return PoolPolicy(
        capacity=None if capacity is UNSET or capacity == "unlimited" else capacity,
        projects={name: _tenant(each) for name, each in settings.projects.items()},
        domains={Tenant(*name.split("/", 1)): _tenant(each) for name, each in settings.domains.items()},
        each_project=_tenant(settings.each_project),
        each_domain=_tenant(settings.each_domain),
        reserve_after_s=RESERVE_AFTER_S if reserve is UNSET else None if reserve == "never" else reserve,
    )


def _tenant(settings: TenantSettings) -> TenantPolicy:
    return TenantPolicy(
        weight=1.0 if settings.weight is UNSET else settings.weight,
        guarantee=0 if settings.guarantee is UNSET else settings.guarantee,
        cap=None if settings.cap is UNSET or settings.cap == "unlimited" else settings.cap,
        lend=None if settings.lend is UNSET or settings.lend == "all" else settings.lend,
    )
