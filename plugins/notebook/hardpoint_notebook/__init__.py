"""Jupyter notebooks as typed tasks of a workflow.

In the flow: `report = NotebookTask("report.ipynb", inputs={"n": int}, outputs={"accuracy": float})`.
In the notebook: inputs are variables, and `record(accuracy=0.97)` gives an output.
"""

from __future__ import annotations

from collections.abc import Iterable

from hardpoint.plugin_api import Finding, FunctionHandler, Shape, TaskType, hookimpl
from hardpoint_notebook import diagnosis
from hardpoint_notebook.config import NotebookConfig
from hardpoint_notebook.inside import read_input, record
from hardpoint_notebook.task import NotebookTask

__all__ = ["NotebookTask", "plugin", "read_input", "record"]


def _handler() -> FunctionHandler:
    # papermill takes a second to import; a flow that only mentions a notebook must not wait for it.
    from hardpoint_notebook.handler import NotebookHandler

    return NotebookHandler()


class NotebookPlugin:
    """What the entry point `notebook` names."""

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        """Declare the task type `notebook`."""
        return [
            TaskType(
                "notebook",
                Shape.FUNCTION,
                _handler,
                config=NotebookConfig,
                doc="A Jupyter notebook, executed with papermill",
            )
        ]

    @hookimpl
    def diagnose(self) -> Iterable[Finding]:
        """Look for the libraries and the kernel."""
        return diagnosis.findings()


plugin = NotebookPlugin()
