"""How an operator's file is read."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from hardpoint.executor.config.checking import Place, SettingsError, checked, shown
from hardpoint.executor.config.pool_policy import check_pool
from hardpoint.executor.config.settings import LocalSettings, Settings, WrittenLocal, WrittenSettings
from hardpoint.executor.config.tenant_limits import ANY_TENANT
from hardpoint.plugin_api import RateLimit

_UNITS = {"": 1, "B": 1}
for _power, _letter in enumerate("KMGT", 1):
    _UNITS |= {f"{_letter}B": 1000**_power, f"{_letter}IB": 1024**_power, f"{_letter}I": 1024**_power}


def read_settings(path: Path) -> Settings:
    """The settings in a file.

    Raises:
        SettingsError: It cannot be read, or something in it does not fit; names table, key and value.
    """
    source = f"`{path}`"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"The settings {source} cannot be read: {error.strerror}",
            hint="Correct `HARDPOINT_CONFIG` or `config=`, or make the file; it may be empty",
        ) from error
    except ValueError as error:
        raise SettingsError(
            f"{source} is not TOML: {error}",
            hint='Names with `:`, `/` or `*` need quotes: `[pools."athena:*"]`',
        ) from error
    return settings_from(raw, source)


def settings_from(raw: object, source: str) -> Settings:
    """Settings of a parsed file; `source` names it in messages.

    >>> settings_from({"local": {"memory": "2 GiB"}}, "`x.toml`").local.memory_bytes
    2147483648
    """
    top = Place(source)
    written = checked(raw, WrittenSettings, top)
    for table in ("pools", "rates"):
        for name in getattr(written, table):
            _check_name(name, top.below(table))
    for name in written.tenants:
        _check_tenant(name, top.below("tenants"))
    rates = tuple(
        RateLimit(name, each.reads_per_s, each.writes_per_s, each.burst)
        for name, each in written.rates.items()
    )
    local = _local(written.local, top.below("local"))
    for name, pool in written.pools.items():
        check_pool(pool, top.below("pools").below(name))
    return Settings(source, written.pools, rates, written.tenants, local, written.plugins)


def _check_name(name: str, place: Place) -> None:
    if not name or "*" in name[:-1]:
        raise SettingsError(
            f"{place}: nothing can be called `{name}`",
            hint='A name is `TASK-TYPE:ACCOUNT`, such as "athena:eu-west-1"; one `*` may stand at its end',
        )


def _check_tenant(name: str, place: Place) -> None:
    project, separator, domain = name.partition("/")
    if name != ANY_TENANT and ("*" in name or not project or (separator and not domain) or "/" in domain):
        raise SettingsError(
            f"{place}: no tenant can be called `{name}`",
            hint='Write "PROJECT/DOMAIN", "PROJECT" for each of its domains, or "*" for all others',
        )


def _local(written: WrittenLocal, place: Place) -> LocalSettings:
    memory = None if written.memory is None else _bytes(written.memory, place)
    return LocalSettings(written.workers, written.cpu, memory, written.gpu)


def _bytes(value: int | str, place: Place) -> int:
    text = str(value).strip()
    number = text.rstrip("BbIiKkMmGgTt").rstrip()
    factor = _UNITS.get(text[len(number) :].strip().upper())
    try:
        count = msgspec.convert(number, float, strict=False) * (factor or 0)
    except msgspec.ValidationError:
        count = 0.0
    if not 1 <= count < float("inf"):
        raise SettingsError(
            f"{place}: `memory` is `{shown(value)}`: expected an amount of memory",
            hint='Write bytes as a number, or text such as "16 GiB" or "512 MB"',
        )
    return int(count)
