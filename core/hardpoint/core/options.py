"""What an author may set on a task, checked and turned into the units of its spec."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TypedDict

import msgspec

from hardpoint.core.compile_errors import did_you_mean, listed
from hardpoint.plugin_api import Cache, Options, Resources, Retry, Secret, UsageError


class Overrides(TypedDict, total=False):
    """Keywords of `@task` and of `with_overrides`; what is left out stays as it is."""

    retry: Retry
    cache: Cache | bool | None
    timeout: timedelta | float | None
    queue_timeout: timedelta | float | None
    deadline: timedelta | float | None
    resources: Resources
    secrets: Iterable[Secret | str]
    interruptible: bool


OVERRIDES = tuple(Overrides.__annotations__)


def with_overrides(base: Options, overrides: Overrides, where: str) -> Options:
    """Return `base` with what is given replaced.

    Args:
        base: What holds for everything that is left out.
        overrides: As the author wrote them.
        where: What they are set on, for messages.

    Raises:
        UsageError: An unknown keyword, or a value that does not fit it.

    >>> with_overrides(Options(), {"timeout": timedelta(minutes=1)}, "task `f`").timeout_s
    60.0
    """
    changed: dict[str, Any] = {}
    for name, value in overrides.items():
        match name:
            case "timeout" | "queue_timeout" | "deadline":
                changed[f"{name}_s"] = _seconds(name, value, where)
            case "cache":
                changed[name] = _cache(value, where)
            case "secrets":
                changed[name] = _secrets(value, where)
            case "retry":
                changed[name] = _expect(Retry, value, name, where)
            case "resources":
                changed[name] = _expect(Resources, value, name, where)
            case "interruptible":
                changed[name] = _expect(bool, value, name, where)
            case _:
                raise UsageError(
                    f"{where} has no option `{name}`",
                    hint=did_you_mean(name, OVERRIDES, f"The options are {listed(OVERRIDES)}"),
                )
    return msgspec.structs.replace(base, **changed)


def _cache(value: object, where: str) -> Cache | None:
    if value is None or value is False:
        return None
    cache: Cache = Cache() if value is True else _expect(Cache, value, "cache", where)
    return cache


def _seconds(name: str, value: object, where: str) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise UsageError(
            f"Option `{name}` of {_small(where)} is `{value!r}`, which is no duration",
            hint="Give seconds above 0, or a `datetime.timedelta`",
        )
    return float(seconds)


def _secrets(value: object, where: str) -> tuple[Secret, ...]:
    if isinstance(value, str | Secret):
        value = (value,)
    given = tuple(value) if isinstance(value, Iterable) else (value,)
    return tuple(
        Secret(each) if isinstance(each, str) else _expect(Secret, each, "secrets", where) for each in given
    )


def _expect(wanted: type, value: Any, name: str, where: str) -> Any:
    if not isinstance(value, wanted):
        raise UsageError(
            f"Option `{name}` of {_small(where)} is `{value!r}`, not a `{wanted.__name__}`",
            hint=f"Write `{name}={_EXAMPLES.get(name, 'True')}`",
        )
    return value


_EXAMPLES = {
    "retry": "Retry(3)",
    "cache": "True",
    "resources": "Resources(cpu=1)",
    "secrets": 'Secret("name")',
}


def _small(where: str) -> str:
    return where[:1].lower() + where[1:]
