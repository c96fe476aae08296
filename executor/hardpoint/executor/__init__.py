"""The room that waits, retries and writes: run workflows from a program or from the command line."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hardpoint.executor.aio import AsyncExecution, AsyncExecutor
    from hardpoint.executor.api import Executor, run
    from hardpoint.executor.deciding import ExecutionRefusedError
    from hardpoint.executor.engine.run import Outcome
    from hardpoint.executor.execution import Execution, ExecutionFailedError
    from hardpoint.executor.resuming import ExecutionOwnedError
    from hardpoint.executor.submission import AdmissionRefusedError

# Loaded when asked for: the command line lives below this package, and `hardpoint --help` must not
# pay for a database and a worker pool.
_HOME_OF = {
    "AdmissionRefusedError": "submission",
    "AsyncExecution": "aio",
    "AsyncExecutor": "aio",
    "Execution": "execution",
    "ExecutionFailedError": "execution",
    "ExecutionOwnedError": "resuming",
    "ExecutionRefusedError": "deciding",
    "Executor": "api",
    "Outcome": "engine.run",
    "run": "api",
}

__all__ = [
    "AdmissionRefusedError",
    "AsyncExecution",
    "AsyncExecutor",
    "Execution",
    "ExecutionFailedError",
    "ExecutionOwnedError",
    "ExecutionRefusedError",
    "Executor",
    "Outcome",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
