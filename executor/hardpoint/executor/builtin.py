"""The task type that needs no plugin: Python functions, registered through the public hooks."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hardpoint.plugin_api import (
    ContractViolation,
    FunctionContext,
    Inputs,
    Outputs,
    Shape,
    TaskType,
    hookimpl,
)


class PythonConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which function runs: by file in the project's archive, or by module of an installed package."""

    qualname: str
    file: str = ""
    module: str = ""


class PythonHandler:
    """Stands for the worker's own way with Python functions, which needs no handler object."""

    def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
        """Workers call functions directly; nothing may come here."""
        raise ContractViolation(f"Python task `{context.spec.name}` was handed to a handler")


class PythonPlugin:
    """Declares `python`."""

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        """The one task type."""
        doc = "A Python function, in a worker process"
        return [TaskType("python", Shape.FUNCTION, PythonHandler, config=PythonConfig, doc=doc)]


python_plugin = PythonPlugin()
