"""Run a notebook with papermill, and say how it went."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError
from papermill.execute import remove_error_markers
from traitlets.config import Config

from hardpoint.plugin_api import UserError
from hardpoint_notebook import failure, kernel

HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
IOPUB_TIMEOUT_S = 60


class Run(msgspec.Struct, frozen=True):
    """One execution of a notebook.

    Args:
        document: What nbformat parsed, with the inputs' cell already in it.
        label: The notebook's path as the author wrote it, for messages.
        kernel: Which kernel.
        language: The kernel's language.
        parameters: Plain values for papermill to write as code.
        environment: Of the kernel.
        folder: The attempt's own; the kernel stands in its `work`.
        cell_timeout_s: Longest one cell may run.
        progress: Called with cells done, cells in all, and the heading they stand under.
    """

    document: Any
    label: str
    kernel: str
    language: str
    parameters: Mapping[str, Any]
    environment: Mapping[str, str]
    folder: Path
    cell_timeout_s: float | None
    progress: Callable[[float, float, str], None]


class Executed(msgspec.Struct, frozen=True):
    """A notebook with the outputs of its cells, and the failure that stopped it, if one did."""

    document: Any
    failure: UserError | None


def execute(run: Run) -> Executed:
    """Run every cell in a fresh kernel."""
    for name in ("papermill", "papermill.utils", "papermill.translators"):
        # They tell of every cell and of parameters without a cell of their own, which is no news to anybody.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    watch = _Watch(run)
    try:
        papermill.execute_notebook(
            run.document,
            None,
            parameters=dict(run.parameters),
            kernel_name=run.kernel,
            language=run.language,
            progress_bar=False,
            request_save_on_cell_execute=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            **_client_options(run, watch),
        )
    except PapermillExecutionError as error:
        return Executed(watch.document, watch.raised(error))
    except CellTimeoutError:
        limit_s = run.cell_timeout_s or 0.0
        return Executed(watch.document, failure.cell_overdue(run.label, watch.cell, limit_s))
    except DeadKernelError:
        return Executed(watch.document, watch.died())
    except RuntimeError:
        if watch.cell is not None:
            raise
        return Executed(watch.document, watch.died())
    return Executed(watch.document, None)


def _client_options(run: Run, watch: _Watch) -> dict[str, Any]:
    """Settings of nbclient, which papermill hands on."""
    manager = {"environment": dict(run.environment), "log_file": str(watch.log_file)}
    connection = {"connection_file": str(run.folder / "kernel.json")}
    return {
        "kernel_manager_class": kernel.WorkerKernelManager,
        "config": Config({"WorkerKernelManager": {**manager, **connection}}),
        "resources": {"metadata": {"path": str(run.folder / "work")}},
        # nbclient's own `timeout` knows whole seconds only.
        "timeout_func": lambda _source: run.cell_timeout_s,
        # Of the messages about a cell's outputs; its 4 s are too short on a busy machine.
        "iopub_timeout": IOPUB_TIMEOUT_S,
        "on_notebook_start": watch.notebook_started,
        "on_cell_start": watch.cell_started,
    }


class _Watch:
    """Follows the cells: keeps notebook, section and cell at hand for whatever stops it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.document: Any = run.document
        self.cell: Any = None
        self.section = ""
        self.log_file = run.folder / "kernel.log"

    def notebook_started(self, notebook: Any) -> None:
        self.document = notebook

    def cell_started(self, cell: Any, cell_index: int) -> None:
        self.cell = cell
        if cell.cell_type == "markdown" and (heading := HEADING.search(cell.source)):
            self.section = heading[1].strip()
        self.run.progress(cell_index, len(self.document.cells), self.section)

    def raised(self, error: PapermillExecutionError) -> UserError | None:
        if self.cell.metadata["papermill"]["exception"] is True:
            return failure.cell_raised(self.run.label, self.cell, error.ename, error.evalue, error.traceback)
        # papermill counts every exception, also those of cells that are tagged `raises-exception`, which
        # did not stop the notebook.
        self.document = remove_error_markers(self.document)
        return None

    def died(self) -> UserError:
        log = kernel.log_tail(self.log_file)
        if self.cell is None:
            return failure.kernel_not_started(self.run.label, self.run.kernel, log)
        return failure.kernel_died(self.run.label, self.cell, log)
