"""From a declared task type to its handler, survived and checked."""

from __future__ import annotations

from hardpoint.plugin_api import TaskType
from hardpoint.registry.checks import HANDLER_CHECKS, HandlerSubject, first_violation
from hardpoint.registry.quarantine import Quarantine, Stage, from_exception


def make_handler(declared: TaskType) -> object:
    """What the factory of a task type makes; a `Quarantine` if it fails, or makes something else."""
    try:
        handler = declared.handler()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a vendor SDK that exits on a missing library must not end the run
        return from_exception(Stage.HANDLER, error)
    problem = first_violation(HANDLER_CHECKS, [HandlerSubject(declared, handler)])
    return Quarantine(Stage.CONTRACT, problem) if problem else handler
