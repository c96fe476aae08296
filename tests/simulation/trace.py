"""What happened in one world, line by line, for the reader of a failing seed."""

from __future__ import annotations

import msgspec
from tests.simulation.compiled_plans import compiled
from tests.simulation.faults import Faults
from tests.simulation.plans import Plan
from tests.simulation.simulate import Ending, scenario, simulate_world


def plan_lines(plan: Plan) -> list[str]:
    """The workflow, a node a line, and each task's peculiarities."""
    lines = [f"workflow {compiled(plan).digest[:12]}"]
    for node in plan.nodes:
        task = plan.task_of(node.id)
        lines.append(
            f"  {node.id}: {task.name.partition(':')[2]} ({task.type})"
            + (f" reads {', '.join(node.reads)}" if node.reads else "")
            + (f" after {', '.join(node.after)}" if node.after else "")
            + (f" mapped: {_differing(node.array)}" if node.array is not None else "")
        )
    for task in plan.tasks.values():
        lines.append(f"  {task.name.partition(':')[2]}: {_differing(task) or 'ordinary'}")
    return lines


def _differing(value: msgspec.Struct) -> str:
    """The fields of a value that are not what they are by default."""
    fields = msgspec.structs.fields(value)
    shown = [
        (field.name, getattr(value, field.name))
        for field in fields
        if getattr(value, field.name) != field.default
    ]
    return ", ".join(f"{name}={_plain(each)}" for name, each in shown if name not in {"type", "salt"})


def _plain(value: object) -> str:
    return "/".join(each.value for each in value) if isinstance(value, tuple) else str(value)


def fault_lines(faults: Faults) -> list[str]:
    """What goes wrong, without what does not."""
    calm = Faults()
    lines = ["faults"]
    for name in Faults.__struct_fields__:
        value, ordinary = getattr(faults, name), getattr(calm, name)
        if value == ordinary:
            continue
        if isinstance(value, msgspec.Struct):
            parts = [
                f"{field}={getattr(value, field)}"
                for field in value.__struct_fields__
                if getattr(value, field) != getattr(ordinary, field)
            ]
            lines.append(f"  {name}: {', '.join(parts)}")
        else:
            lines.append(f"  {name}: {value}")
    return lines


def trace(seed: int) -> tuple[list[str], Ending]:
    """Run a seed's world; return every line of it, and its ending."""
    plan, faults = scenario(seed)
    lines = [f"seed {seed}", *plan_lines(plan), *fault_lines(faults)]

    def note(now_s: float, kind: str, text: str) -> None:
        lines.append(f"{now_s:12.3f}  {kind:<8}{text}")

    ending = simulate_world(seed, plan, faults, note)
    return lines, ending
