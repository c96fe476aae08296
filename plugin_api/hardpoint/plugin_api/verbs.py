"""The methods of each shape of handler, read from its protocol."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import assert_never

from hardpoint.plugin_api.handler import AnyHandler, ArrayHandler, FunctionHandler, JobHandler, Shape


def verbs_of(shape: Shape) -> dict[str, tuple[str, ...]]:
    """The methods that a handler of that shape has, with the names of their arguments.

    >>> verbs_of(Shape.FUNCTION)
    {'run': ('context', 'inputs')}
    """
    protocol = _protocol_of(shape)
    return {
        name: tuple(inspect.signature(member).parameters)[1:]
        for name, member in vars(protocol).items()
        if not name.startswith("_") and inspect.isfunction(member)
    }


def _protocol_of(shape: Shape) -> type[AnyHandler]:
    match shape:
        case Shape.FUNCTION:
            return FunctionHandler
        case Shape.JOB:
            return JobHandler
        case Shape.ARRAY:
            return ArrayHandler
        case _:
            assert_never(shape)


def accepts(function: Callable[..., object], count: int) -> bool:
    """Whether `function` can be called with that many positional arguments.

    >>> accepts(len, 1), accepts(len, 2)
    (True, False)
    """
    if all(getattr(function, each, None) is getattr(object, each) for each in ("__init__", "__new__")):
        return count == 0  # the usual class of handlers; `inspect` would take 4 ms to say so
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True  # some callables written in C have no signature to look at
    return True
