"""Run a traced workflow in this process, with the author's own objects: for tests and debuggers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hardpoint.core.access import walk_value
from hardpoint.core.map_plain import output_of, run_items
from hardpoint.core.nests import replace_promises
from hardpoint.core.promise import NodeHandle, Promise
from hardpoint.core.traced import TracedNode, TracedWorkflow
from hardpoint.plugin_api import TaskDefinition


def interpret(traced: TracedWorkflow, inputs: Mapping[str, Any]) -> Any:
    """Call every node's function in order; return what the body would return.

    Args:
        traced: The workflow.
        inputs: Real values; what is left out takes its default.

    Returns:
        The body's result with real values for promises. Exceptions of functions are not wrapped.
    """
    known = {**traced.authored.defaults, **inputs}
    results: dict[TracedNode, Any] = {}

    def real(promised: Promise | NodeHandle) -> Any:
        if isinstance(promised, NodeHandle):
            return results[promised._traced]
        origin = promised._origin
        if origin.node is None:
            value = known[origin.name]
        elif origin.node.face.single:
            value = results[origin.node]
        else:
            value = output_of(results[origin.node], origin.name)
        return walk_value(value, origin.keys)

    for node in traced.nodes:
        arguments = {name: replace_promises(value, real) for name, value in node.arguments.items()}
        if isinstance(node.callee, TaskDefinition) and node.map is not None:
            results[node] = run_items(node.callee, node.map, arguments, node.id)
        elif isinstance(node.callee, TaskDefinition):
            results[node] = node.callee.call_plain(**arguments)
        elif node.callee is not None:
            results[node] = interpret(node.callee, arguments)
    return replace_promises(traced.returned, real)
