"""What crosses the line to a plugin and back: each side gets values of its own.

A plugin may change what it was given, keep what it returned and change that later, or return what is only
said to be of a type. None of that may reach a run's state, another plugin, or the journal.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from hardpoint.plugin_api import (
    ArrayStatus,
    CreateRequest,
    ErrorKind,
    HardpointError,
    Phase,
    Status,
    Wire,
)

T = TypeVar("T")

USAGE_NAMES_MAX = 32
USAGE_NAME_CHARS = 100
"""What is kept of a usage: every attempt's end holds it for ever."""

logger = logging.getLogger("hardpoint.engine")
_said: set[str] = set()


class PluginOutputError(HardpointError):
    """A plugin returned something else than it promised."""

    kind = ErrorKind.CONTRACT


_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}


def _decoder(kind: type) -> msgspec.json.Decoder[Any]:
    found = _DECODERS.get(kind)
    if found is None:
        found = _DECODERS[kind] = msgspec.json.Decoder(kind)
    return found


def plain(value: T, kind: type[T]) -> T:
    """The same value as the journal would give it back: of the declared types, and nobody else's.

    Args:
        value: From a plugin.
        kind: What it is said to be.

    Raises:
        PluginOutputError: It is not that, or no plain JSON.

    >>> plain(Status(Phase.RUNNING, reason=object()), Status)
    Traceback (most recent call last):
    hardpoint.executor.engine.plugin_values.PluginOutputError: a `Status` that cannot be kept: Encoding \
objects of type object is unsupported
    """
    try:
        found: T = _decoder(kind).decode(msgspec.json.encode(value))
    except Exception as error:  # what a plugin returned may raise from anything
        raise PluginOutputError(f"a `{kind.__name__}` that cannot be kept: {error}") from None
    return found


def plain_status(status: Any, task_type: str) -> Status | None:
    """A status of a task type's as it can be used; None if it is none.

    An end that comes with what cannot be kept is a failure: asking again would bring the same.

    >>> plain_status(Status("gone"), "acme"), plain_status("SUCCEEDED", "acme")
    (None, None)
    >>> plain_status(Status(Phase.SUCCEEDED, outputs={"x": object()}), "acme").error.message
    'Task type `acme` told a `Status` that cannot be kept: Encoding objects of type object is unsupported'
    """
    if isinstance(status, Status) and type(status.phase) is Phase and _says_no_more(status):
        return status
    try:
        found: Status = plain(with_sound_usage(status, task_type), Status)
    except PluginOutputError as error:
        if isinstance(status, Status) and type(status.phase) is Phase and status.phase.terminal:
            error.message = f"Task type `{task_type}` told {error.message}"
            return Status(Phase.FAILED, error=error.info())
        return None
    return found


def _says_no_more(status: Status) -> bool:
    # Nearly all that polls bring. By type first: what is no text or dict may do anything when it is compared.
    return (
        type(status.reason) is str
        and not status.reason
        and status.error is None
        and status.outputs is None
        and type(status.links) is dict
        and not status.links
        and type(status.usage) is dict
        and not status.usage
    )


def with_sound_usage(status: Any, task_type: str) -> Any:
    """The same status without what is no usage: a wrong figure is no reason to fail what has been paid for.

    Args:
        status: From a plugin; what is none is given back as it is.
        task_type: Whose.

    >>> with_sound_usage(Status(Phase.RUNNING, usage={"bytes": 7, "cost_usd": float("nan")}), "acme").usage
    {'bytes': 7.0}
    """
    if not isinstance(status, Status | ArrayStatus):
        return status
    told: Any = status.usage
    if type(told) is dict and not told:
        return status
    sound = sound_usage(told)
    if (type(told) is not dict or len(sound) < len(told)) and task_type not in _said:
        _said.add(task_type)
        logger.warning("task type %s tells a usage that is none; such figures are left out", task_type)
    return msgspec.structs.replace(status, usage=sound)


def sound_usage(told: Any) -> dict[str, float]:
    """Those of its figures that are some: finite numbers from 0 on, by name, and not too many.

    >>> sound_usage({"bytes": 7, "cost_usd": "3 $", "slot_ms": -1.0, "": 1.0})
    {'bytes': 7.0}
    """
    if type(told) is not dict:
        return {}
    sound = {name: float(value) for name, value in told.items() if _is_figure(name, value)}
    return {name: sound[name] for name in sorted(sound)[:USAGE_NAMES_MAX]}


def _is_figure(name: Any, value: Any) -> bool:
    if type(name) is not str or not 0 < len(name) <= USAGE_NAME_CHARS:
        return False
    if type(value) is int:
        return 0 <= value < 2**63
    return isinstance(value, float) and math.isfinite(value) and value >= 0.0


def own_request(request: CreateRequest) -> CreateRequest:
    """A request that a plugin may do with what it likes."""
    spec = request.spec
    return msgspec.structs.replace(
        request,
        inputs=copied(request.inputs),
        spec=msgspec.structs.replace(spec, config=copied(spec.config)) if spec.config else spec,
    )


def own_inputs(items: Sequence[Mapping[str, Wire]]) -> list[dict[str, Wire]]:
    """Inputs of many items that a plugin may do with what it likes."""
    return [copied(each) for each in items]


def copied(wire: Any) -> Any:
    """A wire value of which nothing that can be changed is shared.

    >>> outer = {"a": [1, {"b": 2}]}
    >>> copied(outer) == outer, copied(outer)["a"] is outer["a"]
    (True, False)
    """
    match wire:
        case dict():
            return {key: copied(value) for key, value in wire.items()}
        case list():
            return [copied(value) for value in wire]
        case _:
            return wire
