"""Nodes that can never run, whoever built the graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from hardpoint.core.compile_errors import (
    CompileError,
    CycleError,
    Place,
    UnreachableNodeError,
    did_you_mean,
    listed,
)
from hardpoint.core.graph import find_cycle, runnable_order

_SHOWN = 5


def order_problems(
    workflow: str, upstream: Mapping[str, Collection[str]], place_of: Callable[[str], Place]
) -> list[CompileError]:
    """Report nodes that wait for what is not there, the first cycle, and what waits for it.

    Args:
        workflow: Name for messages.
        upstream: For each node, what it waits for.
        place_of: Place of a node.
    """
    found: list[CompileError] = []
    for node, waits in upstream.items():
        for missing in [each for each in waits if each not in upstream]:
            text = f"Node `{node}` in workflow `{workflow}` waits for `{missing}`, which is not there"
            hint = did_you_mean(missing, upstream, f"The nodes are {_some(upstream)}")
            found.append(UnreachableNodeError(text, place_of(node), hint=hint))
    cycle = find_cycle(upstream)
    if cycle is None:
        return found
    text = f"Nodes of workflow `{workflow}` wait for each other: {' -> '.join(cycle)}"
    hint = "Remove one `>>`, or one use of an earlier result"
    found.append(CycleError(text, place_of(cycle[0]), hint=hint))
    able = {*runnable_order(upstream), *cycle}
    behind = [node for node in upstream if node not in able]
    if behind:
        text = f"Nodes {_some(behind)} in workflow `{workflow}` can never run: they wait for that cycle"
        found.append(UnreachableNodeError(text, place_of(behind[0]), hint="Remove the cycle"))
    return found


def _some(names: Collection[str]) -> str:
    shown = listed(list(names)[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
