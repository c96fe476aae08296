"""What a loaded plugin must satisfy: four tables of checks, and the one loop that runs them.

To add a rule, write a function that returns what is wrong ("" when nothing is) and add it to a table.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from hardpoint.plugin_api import (
    DECLARABLE,
    ENTRY_POINT_GROUP,
    Idempotency,
    PollPolicy,
    RateLimit,
    ResourceClaim,
    ResourcePool,
    Shape,
    TaskType,
)
from hardpoint.plugin_api.verbs import accepts, verbs_of

S = TypeVar("S")
Checks = Sequence[Callable[[S], str]]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class PluginSubject:
    """A plugin after it was asked what it declares.

    Args:
        plugin: The object.
        target: What its entry points name, for messages; empty for a built-in one.
        hooks: Names of the hooks it implements.
        types, pools, rates: What it declared, unchecked.
        entry_points: Task types under which it can be found; None: it is built in and needs none.
    """

    plugin: object
    target: str
    hooks: frozenset[str]
    types: tuple[Any, ...]
    pools: tuple[Any, ...]
    rates: tuple[Any, ...]
    entry_points: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class HandlerSubject:
    """A handler that a task type's factory made."""

    type: TaskType
    handler: object


def first_violation(checks: Checks[S], subjects: Iterable[S]) -> str:
    """The first thing that is wrong with any of `subjects`; empty if all pass all checks."""
    for subject in subjects:
        for check in checks:
            try:
                problem = check(subject)
            except Exception as error:  # a plugin's object may raise from anything, even from a comparison
                problem = f"checking it raised {type(error).__name__}"
            if problem:
                return problem
    return ""


# --- the plugin object ---------------------------------------------------------------------------------


def _is_an_instance(plugin: object) -> str:
    if inspect.isclass(plugin):
        name = plugin.__name__
        return f"it is the class `{name}`; an entry point names an object, such as `plugin = {name}()`"
    return ""


OBJECT_CHECKS: Checks[object] = (_is_an_instance,)

# --- what it declares ----------------------------------------------------------------------------------


def _implements_a_hook(subject: PluginSubject) -> str:
    return "" if subject.hooks else "it has no `@hookimpl` method"


def _declares_task_types(subject: PluginSubject) -> str:
    wrong = next((each for each in subject.types if not isinstance(each, TaskType)), None)
    return "" if wrong is None else f"`task_types` returned a `{type(wrong).__name__}`, not a `TaskType`"


def _declares_each_once(subject: PluginSubject) -> str:
    names = [each.name for each in subject.types]
    twice = next((name for name in names if names.count(name) > 1), None)
    return "" if twice is None else f"it declares task type `{twice}` twice"


def _declares_its_entry_points(subject: PluginSubject) -> str:
    if subject.entry_points is None:
        return ""
    declared = sorted(each.name for each in subject.types)
    missing = sorted(subject.entry_points - set(declared))
    if not missing:
        return ""
    shown = ", ".join(f"`{name}`" for name in declared) or "no task type"
    return f"its entry point is named `{missing[0]}`, but it declares {shown}"


def _has_its_entry_points(subject: PluginSubject) -> str:
    if subject.entry_points is None:
        return ""
    hidden = sorted({each.name for each in subject.types} - subject.entry_points)
    if not hidden:
        return ""
    return (
        f"it declares task type `{hidden[0]}`, which nobody can find without an entry point: "
        f'`{hidden[0]} = "{subject.target}"` under `[project.entry-points."{ENTRY_POINT_GROUP}"]`'
    )


def _pools_are_usable(subject: PluginSubject) -> str:
    for pool in subject.pools:
        if not isinstance(pool, ResourcePool):
            return f"`resource_pools` returned a `{type(pool).__name__}`, not a `ResourcePool`"
        if not isinstance(pool.name, str) or not pool.name:
            return f"a resource pool has the name `{pool.name!r}`"
        if not isinstance(pool.capacity, int) or pool.capacity < 0:
            return f"resource pool `{pool.name}` has capacity `{pool.capacity!r}`, not a number of units"
    return ""


def _rates_are_usable(subject: PluginSubject) -> str:
    for rate in subject.rates:
        if not isinstance(rate, RateLimit):
            return f"`rate_limits` returned a `{type(rate).__name__}`, not a `RateLimit`"
        if not (_is_positive(rate.reads_per_s) and _is_positive(rate.writes_per_s) and rate.burst >= 1):
            return f"rate limit `{rate.name}` must have positive rates and a burst of at least 1"
    return ""


PLUGIN_CHECKS: Checks[PluginSubject] = (
    _implements_a_hook,
    _declares_task_types,
    _declares_each_once,
    _declares_its_entry_points,
    _has_its_entry_points,
    _pools_are_usable,
    _rates_are_usable,
)

# --- one declared task type ----------------------------------------------------------------------------


def _has_a_plain_name(each: TaskType) -> str:
    if isinstance(each.name, str) and _NAME.fullmatch(each.name):
        return ""
    return f"task type name `{each.name}` is not lower-case letters, digits, `_` and `-`"


def _has_a_shape(each: TaskType) -> str:
    return "" if isinstance(each.shape, Shape) else f"task type `{each.name}` has shape `{each.shape!r}`"


def _has_a_factory(each: TaskType) -> str:
    if not callable(each.handler):
        return f"the handler of task type `{each.name}` cannot be called to make one"
    return "" if accepts(each.handler, 0) else f"the handler of task type `{each.name}` must need no argument"


def _has_a_strict_config(each: TaskType) -> str:
    config: object = each.config
    if not (isinstance(config, type) and issubclass(config, msgspec.Struct)):
        return f"the config of task type `{each.name}` is no msgspec Struct class"
    if not config.__struct_config__.forbid_unknown_fields:
        return (
            f"the config `{config.__name__}` of task type `{each.name}` accepts unknown fields, so a "
            "misspelt one would be ignored: give it `forbid_unknown_fields=True`"
        )
    try:
        msgspec.json.schema(config)
    except (TypeError, NameError) as error:
        why = str(error).rpartition("\n")[2]
        return f"the config `{config.__name__}` of task type `{each.name}` has no JSON schema: {why}"
    return ""


def _declares_idempotency(each: TaskType) -> str:
    if isinstance(each.idempotency, Idempotency):
        return ""
    return f"task type `{each.name}` has idempotency `{each.idempotency!r}`"


def _settles_some_time(each: TaskType) -> str:
    if _is_number(each.settling_delay_s) and each.settling_delay_s >= 0:
        return ""
    return f"task type `{each.name}` has settling delay `{each.settling_delay_s!r}`, not a number of seconds"


def _polls_sensibly(each: TaskType) -> str:
    poll: object = each.poll
    if not isinstance(poll, PollPolicy):
        return f"task type `{each.name}` has poll policy `{poll!r}`"
    if (
        _is_positive(poll.first_s)
        and poll.fraction >= 0
        and poll.max_s >= poll.first_s
        and poll.batch_max >= 1
        and _is_positive(poll.resync_s)
    ):
        return ""
    return f"task type `{each.name}` has a poll policy that would never or always poll: `{poll!r}`"


def _limits_its_calls(each: TaskType) -> str:
    if _is_positive(each.call_timeout_s):
        return ""
    return f"task type `{each.name}` has call timeout `{each.call_timeout_s!r}`, not a number of seconds"


def _claims_of_every_attempt(each: TaskType) -> str:
    claims: object = each.claims
    if claims is None or (isinstance(claims, tuple) and all(isinstance(c, ResourceClaim) for c in claims)):
        return ""
    return f"the claims of task type `{each.name}` are not a tuple of `ResourceClaim`"


def _claims_by_config(each: TaskType) -> str:
    if each.claims_of is None or (callable(each.claims_of) and each.shape is Shape.FUNCTION):
        return ""
    return f"task type `{each.name}` has a `claims_of` that is not callable, or is not of shape `function`"


def _names_secrets(each: TaskType) -> str:
    if isinstance(each.secrets, tuple) and all(isinstance(name, str) and name for name in each.secrets):
        return ""
    return f"the secrets of task type `{each.name}` are not a tuple of names"


def _declares_capabilities(each: TaskType) -> str:
    if not isinstance(each.capabilities, tuple):
        return f"the capabilities of task type `{each.name}` are not a tuple"
    wrong = [declared for declared in each.capabilities if declared not in DECLARABLE]
    if not wrong:
        return ""
    wanted = ", ".join(sorted(str(capability) for capability in DECLARABLE))
    return f"task type `{each.name}` declares the capability `{wrong[0]}`; to be declared are {wanted} alone"


TYPE_CHECKS: Checks[TaskType] = (
    _has_a_plain_name,
    _has_a_shape,
    _has_a_factory,
    _has_a_strict_config,
    _declares_idempotency,
    _settles_some_time,
    _polls_sensibly,
    _limits_its_calls,
    _claims_of_every_attempt,
    _claims_by_config,
    _names_secrets,
    _declares_capabilities,
)

# --- the handler its factory made ----------------------------------------------------------------------


def _has_every_verb(subject: HandlerSubject) -> str:
    missing = [
        verb for verb in verbs_of(subject.type.shape) if not callable(getattr(subject.handler, verb, None))
    ]
    if not missing:
        return ""
    shown = ", ".join(f"`{verb}`" for verb in missing)
    shape = subject.type.shape.value
    return f"the handler `{type(subject.handler).__name__}` of shape `{shape}` lacks {shown}"


def _verbs_take_their_arguments(subject: HandlerSubject) -> str:
    for verb, parameters in verbs_of(subject.type.shape).items():
        if not accepts(getattr(subject.handler, verb), len(parameters)):
            wanted = ", ".join(parameters)
            return f"`{type(subject.handler).__name__}.{verb}` cannot be called as `{verb}({wanted})`"
    return ""


HANDLER_CHECKS: Checks[HandlerSubject] = (_has_every_verb, _verbs_take_their_arguments)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and _is_number(value) and value > 0
