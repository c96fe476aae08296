"""A plan as the compiled workflow that the engine runs: built directly, without source files."""

from __future__ import annotations

from tests.simulation.plans import Plan, PlannedNode, PlannedTask

from hardpoint.core.compiled import (
    Binding,
    CompiledWorkflow,
    FromInput,
    FromList,
    FromNode,
    Given,
    Mapped,
    Node,
    Picked,
    Step,
    StepKind,
    WorkflowBody,
)
from hardpoint.plugin_api import Cache, Interface, Retry, TaskSpec, Variable
from hardpoint.plugin_api.literals import ListType, SimpleKind, SimpleType

_INT = SimpleType(SimpleKind.INT)
_TASK_FACE = Interface(
    (Variable("numbers", ListType(_INT)), Variable("item", _INT, default=0)), (Variable("result", _INT),)
)
_FLOW_FACE = Interface((Variable("start", _INT),), (Variable("result", ListType(_INT)),))
START = FromInput("start")


def compiled(plan: Plan) -> CompiledWorkflow:
    """What `compile_workflow` would make of it."""
    body = WorkflowBody(
        "flow",
        _FLOW_FACE,
        tuple(_node(plan, node) for node in plan.nodes),
        {"result": FromList(tuple(FromNode(id, "result") for id in plan.sinks()))},
    )
    return CompiledWorkflow("flow", {"flow": body}, {name: _spec(task) for name, task in plan.tasks.items()})


def _node(plan: Plan, node: PlannedNode) -> Node:
    reads = [plan.by_id[id] for id in node.reads]
    inputs: dict[str, Binding] = {
        "numbers": FromList((START, *(binding for read in reads for binding in _bindings(read))))
    }
    # What is read of an empty list is nothing, so the list would not be waited for.
    empty = tuple(read.id for read in reads if read.array is not None and not read.array.size)
    array, mapped = node.array, None
    if array is not None:
        inputs["item"] = FromNode(array.over, "result") if array.over else Given(list(range(array.size)))
        mapped = Mapped(("item",), concurrency=array.concurrency, min_successes=array.min_successes)
    return Node(node.id, node.task, inputs=inputs, after=(*node.after, *empty), map=mapped)


def _bindings(read: PlannedNode) -> list[Binding]:
    whole = FromNode(read.id, "result")
    if read.array is None:
        return [whole]
    ends = (0, read.array.size - 1) if read.array.size else ()
    return [Picked(whole, (Step(StepKind.INDEX, index),)) for index in ends]


def _spec(task: PlannedTask) -> TaskSpec:
    match task.type:
        case "python":
            config: dict[str, object] = {"file": "flows/sim.py", "qualname": f"t{task.salt}"}
        case "sim_function":
            config = {"salt": task.salt, "pool": task.pool}
        case _:
            config = {"salt": task.salt, "pool": task.pool, "units": task.units}
    return TaskSpec(
        task.name,
        task.type,
        f"v{task.salt}",
        _TASK_FACE,
        config,
        retry=Retry(task.attempts, delay_s=1.0),
        cache=Cache() if task.cached else None,
        timeout_s=task.timeout_s,
        queue_timeout_s=task.queue_timeout_s,
        deadline_s=task.deadline_s,
    )
