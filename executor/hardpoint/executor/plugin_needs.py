"""Which plugins a run needs to go on, and whether they are here, found out without importing one."""

from __future__ import annotations

from collections.abc import Iterable

from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import RunPhase
from hardpoint.plugin_api import HardpointError
from hardpoint.registry import Registry


def needed_types(run: Run) -> set[str]:
    """Task types without whose plugins nobody can go on with a run; if it is to end, of what it has begun.

    An attempt that is over counts too: it may have left a job behind that must be looked for.
    """
    if run.state.phase is RunPhase.ABORTING:
        nodes = run.state.nodes.items()
        return {run.spec(id).type for id, node in nodes if node.attempt or node.prepared or node.array}
    return {spec.type for spec in run.compiled.tasks.values()}


def what_is_missing(registry: Registry, task_types: Iterable[str]) -> HardpointError | None:
    """Why these task types cannot be run here; None as far as nothing speaks against it.

    Args:
        registry: What is installed here.
        task_types: Of a run.
    """
    usable = {each.name for each in registry.installed() if each.kind == "task type" and not each.problem}
    try:
        registry.require(set(task_types) - usable)
    except HardpointError as problem:
        return problem
    return None
