"""What `hardpoint pools set` makes of what is set of a pool already, checked before it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from hardpoint.executor.config.checking import Place, SettingsError
from hardpoint.executor.config.pool_policy import (
    NOTHING_SET,
    decode_live,
    encode_live,
    live_over,
    pool_policy,
    pool_settings,
)
from hardpoint.executor.config.settings import PoolSettings, Settings
from hardpoint.executor.engine.shared_pools import is_shared
from hardpoint.executor.situation import Situation, rebuild
from hardpoint.executor.throttle.oversize import TooLarge
from hardpoint.executor.throttle.policy import PoolPolicy, TenantPolicy
from hardpoint.plugin_api import ResourcePool, UsageError

EACH = "*"
"""Stands for the projects, or domains, that are not named."""
_PLACE = Place("`hardpoint pools set`")


class PoolChoiceError(UsageError):
    """The words of `hardpoint pools set` do not fit together, or name no pool that can be set."""


class Wish(msgspec.Struct, frozen=True):
    """What is to be set of a pool.

    Args:
        pool: Name.
        of_pool: Values as they were typed, by key: `capacity`, `reserve_after_s`.
        project: Whose values follow; `*` for each that is not named; empty: nobody's.
        domain: The same of a domain, as `PROJECT/DOMAIN`.
        of_tenant: `weight`, `guarantee`, `cap`, `lend`.
        unset: Take back what was set of the tenant; without one, of the whole pool.
    """

    pool: str
    of_pool: Mapping[str, str] = {}
    project: str = ""
    domain: str = ""
    of_tenant: Mapping[str, str] = {}
    unset: bool = False


class Changed(msgspec.Struct, frozen=True):
    """What becomes of a pool.

    Args:
        was, now: What holds for it.
        body: What is to be kept; None: nothing.
    """

    was: PoolPolicy
    now: PoolPolicy
    body: bytes | None


def changed(wish: Wish, live: bytes | None, declared: Iterable[ResourcePool], settings: Settings) -> Changed:
    """What a wish makes of a pool.

    Args:
        wish: What was typed.
        live: What is set already.
        declared: By plugins.
        settings: The operator's file.

    Raises:
        PoolChoiceError: The words do not fit together, or name no pool that can be set.
        SettingsError: A value does not fit, or contradicts another.

    >>> wish = Wish("db", project="ads", of_tenant={"cap": "5"})
    >>> found = changed(wish, b'{"capacity":8}', (), Settings())
    >>> found.now.capacity, found.was.of_project("ads").cap, found.now.of_project("ads").cap
    (8, None, 5)
    """
    check(wish)
    declared = tuple(declared)
    if wish.unset and not (wish.project or wish.domain):
        live = _readable(wish.pool, live)
    before = NOTHING_SET if live is None else decode_live(wish.pool, live)
    after = _without(wish, before) if wish.unset else live_over(before, pool_settings(_raw(wish), _PLACE))
    body = None if after == NOTHING_SET else encode_live(after)
    was, now = (pool_policy(wish.pool, declared, settings, each) for each in (live, body))
    return Changed(was, now, body)


def _readable(pool: str, live: bytes | None) -> bytes | None:
    """What is to be taken back as a whole need not make sense."""
    try:
        return None if live is None else encode_live(decode_live(pool, live))
    except SettingsError:
        return None


def check(wish: Wish) -> None:
    """What types do not say; raises `PoolChoiceError`."""
    tenant, valued = wish.project or wish.domain, wish.of_pool or wish.of_tenant
    if not wish.pool or wish.pool.endswith("*"):
        raise PoolChoiceError(
            f"`{wish.pool}` stands for many pools, and each is set by its own name",
            hint=f'Name one, or write a table `[pools."{wish.pool}"]` into hardpoint.toml',
        )
    if not is_shared(wish.pool):
        raise PoolChoiceError(
            f"Pool `{wish.pool}` is each executor's own",
            hint="Write a table `[local]` into hardpoint.toml, or give `--workers` or `--max-parallelism`",
        )
    if wish.project and wish.domain:
        raise PoolChoiceError(
            "A project and a domain are given; only one can be set at a time", hint="Run the command twice"
        )
    if wish.of_tenant and not tenant:
        raise PoolChoiceError(
            f"`{_option(next(iter(wish.of_tenant)))}` says nothing without a tenant",
            hint="Add `--project PROJECT` or `--domain PROJECT/DOMAIN`; `*` is each that is not named",
        )
    if wish.unset and valued:
        raise PoolChoiceError("`--unset` takes values back and sets none", hint="Run the command twice")
    if not (wish.unset or valued) or (tenant and not (wish.unset or wish.of_tenant)):
        raise PoolChoiceError(
            f"Nothing is to be set of pool `{wish.pool}`",
            hint="Give `--capacity N`, or `--project PROJECT --cap N`; "
            "`hardpoint pools` shows what holds, `hardpoint pools set --help` what can be set",
        )


def _option(key: str) -> str:
    return "--" + key.removesuffix("_s").replace("_", "-")


def _raw(wish: Wish) -> dict[str, object]:
    found: dict[str, object] = {key: _number(text) for key, text in wish.of_pool.items()}
    tenant = {key: _number(text) for key, text in wish.of_tenant.items()}
    if not tenant:
        return found
    if EACH in (wish.project, wish.domain):
        return {**found, "each_project" if wish.project else "each_domain": tenant}
    if wish.project:
        return {**found, "projects": {wish.project: tenant}}
    return {**found, "domains": {wish.domain: tenant}}


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _without(wish: Wish, before: PoolSettings) -> PoolSettings:
    if wish.project == EACH:
        return msgspec.structs.replace(before, each_project=NOTHING_SET.each_project)
    if wish.domain == EACH:
        return msgspec.structs.replace(before, each_domain=NOTHING_SET.each_domain)
    if wish.project:
        kept = {name: each for name, each in before.projects.items() if name != wish.project}
        return msgspec.structs.replace(before, projects=kept)
    if wish.domain:
        kept = {name: each for name, each in before.domains.items() if name != wish.domain}
        return msgspec.structs.replace(before, domains=kept)
    return NOTHING_SET


# In words


def policy_dict(policy: PoolPolicy) -> dict[str, object]:
    """What holds for a pool, for programs: as in hardpoint.toml, None where there is no limit.

    >>> policy_dict(PoolPolicy(capacity=4))["capacity"]
    4
    """
    return {
        "capacity": policy.capacity,
        "reserve_after_s": policy.reserve_after_s,
        "each_project": _tenant_dict(policy.each_project),
        "each_domain": _tenant_dict(policy.each_domain),
        "projects": {name: _tenant_dict(each) for name, each in policy.projects.items()},
        "domains": {"/".join(tenant): _tenant_dict(each) for tenant, each in policy.domains.items()},
    }


def _tenant_dict(policy: TenantPolicy) -> dict[str, object]:
    return {name: getattr(policy, name) for name in policy.__struct_fields__}


def differences(was: PoolPolicy, now: PoolPolicy) -> list[tuple[str, str, str]]:
    """What changed: its name, as it was, and as it is.

    >>> differences(PoolPolicy(capacity=4), PoolPolicy())
    [('capacity', '4', 'unlimited')]
    """
    found = [
        ("capacity", _shown(was.capacity, "unlimited"), _shown(now.capacity, "unlimited")),
        ("reserve after", _shown(was.reserve_after_s, "never"), _shown(now.reserve_after_s, "never")),
    ]
    found += _of_tenant("other projects", was.each_project, now.each_project)
    found += _of_tenant("other domains", was.each_domain, now.each_domain)
    for name in sorted({*was.projects, *now.projects}):
        found += _of_tenant(f"project {name}", was.of_project(name), now.of_project(name))
    for tenant in sorted({*was.domains, *now.domains}):
        found += _of_tenant(f"domain {'/'.join(tenant)}", was.of_domain(tenant), now.of_domain(tenant))
    return [each for each in found if each[1] != each[2]]


_NONE = {"cap": "unlimited", "lend": "all"}


def _of_tenant(title: str, was: TenantPolicy, now: TenantPolicy) -> list[tuple[str, str, str]]:
    found = []
    for name in TenantPolicy.__struct_fields__:
        before, after = (_shown(getattr(each, name), _NONE.get(name, "")) for each in (was, now))
        found.append((f"{title}: {name}", before, after))
    return found


def _shown(value: float | None, none: str) -> str:
    return none if value is None else f"{value:g}"


def refused(wanted: Situation, pool: str, policy: PoolPolicy) -> list[TooLarge]:
    """Claims that wait for a pool and could never be granted any more: their nodes fail.

    Args:
        wanted: What waits.
        pool: Name.
        policy: What holds for it now.
    """
    others = PoolPolicy()
    throttle = rebuild(wanted, lambda name: policy if name == pool else others, 0.0).throttle
    return throttle.too_large()


def too_much_held(policy: PoolPolicy, held: Callable[[str, str], int]) -> list[tuple[str, int, int]]:
    """Where more is held than may be: the pool, a project or a domain, what is held there, and the most.

    Args:
        policy: What holds now.
        held: Units of a project's domain; of all of them with an empty domain, of the pool without both.

    >>> too_much_held(PoolPolicy(capacity=4), lambda project, domain: 6)
    [('the pool', 6, 4)]
    """
    caps = [("the pool", policy.capacity, held("", ""))]
    caps += [(f"project `{name}`", each.cap, held(name, "")) for name, each in policy.projects.items()]
    caps += [
        (f"tenant `{'/'.join(tenant)}`", each.cap, held(*tenant)) for tenant, each in policy.domains.items()
    ]
    return [(title, units, most) for title, most, units in caps if most is not None and units > most]
