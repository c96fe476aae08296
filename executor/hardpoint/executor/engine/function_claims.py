"""What an attempt of a function holds beside its place on this machine."""

from __future__ import annotations

from hardpoint.executor.engine.plugin_values import plain
from hardpoint.plugin_api import Prepared, ResourceClaim, TaskSpec, TaskType


def claims_something(declared: TaskType) -> bool:
    """Whether attempts of a function may hold anything of a service's pools."""
    return declared.claims is not None or declared.claims_of is not None


def function_claims(declared: TaskType, spec: TaskSpec) -> tuple[ResourceClaim, ...]:
    """What the next attempt will hold.

    Args:
        declared: Of shape `FUNCTION`.
        spec: Of the task.

    Raises:
        Exception: Whatever the plugin raises.

    >>> from hardpoint.plugin_api import Interface, NoConfig, Shape
    >>> one = TaskType("t", Shape.FUNCTION, object, claims_of=lambda config: (ResourceClaim("t:db"),))
    >>> function_claims(one, TaskSpec("f.py:t", "t", "v1", Interface()))[0].pool
    't:db'
    """
    if declared.claims_of is None:
        return declared.claims or ()
    claims = declared.claims_of(declared.check_config(spec.config))
    return plain(Prepared(claims=claims), Prepared).claims
