"""A workflow that was compiled elsewhere: what an importer made of a file of another system."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hardpoint.core.checks import check_compiled
from hardpoint.core.compile_errors import CompileErrors
from hardpoint.core.compiled import CompiledWorkflow, from_json
from hardpoint.core.types.natural import natural_result
from hardpoint.plugin_api import Store, TaskDefinition, UsageError, Wire

_ID = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_PYTHON = "python"


class ImportedFlowError(UsageError):
    """A compiled workflow can run, but not from where it comes."""


class ImportedWorkflow:
    """A compiled workflow as a `Runnable`, without the Python code it came from, if there was any.

    Args:
        compiled: Passed `check_compiled`.
        file: What it was imported from.
    """

    def __init__(self, compiled: CompiledWorkflow, file: Path) -> None:
        self._compiled = compiled
        self.file = file
        self.doc = compiled.body.doc
        self.interface = compiled.interface
        self.definitions: Mapping[str, TaskDefinition] = {}

    def compile(self) -> CompiledWorkflow:
        """It is."""
        return self._compiled

    def decode_outputs(self, wires: Mapping[str, Wire], store: Store) -> Any:
        """See `natural_result`."""
        return natural_result(self.interface, wires, store)


def imported_workflow(data: bytes, file: Path) -> ImportedWorkflow:
    """Check what an importer made of a file.

    Args:
        data: A compiled workflow as JSON; `core.compiled` describes it.
        file: Where it comes from.

    Raises:
        CompiledFormatError: It is no such JSON.
        CompileErrors: Everything that is wrong with the graph.
        ImportedFlowError: It has Python tasks whose files nobody would archive, or ids that cannot be.
    """
    compiled = from_json(data)
    problems = check_compiled(compiled)
    if problems:
        raise CompileErrors(problems)
    found = list(_not_to_be_run(compiled))
    if found:
        raise ImportedFlowError(
            f"`{file}` cannot be run: {'; '.join(text for text, _ in found)}", hint=found[0][1]
        )
    return ImportedWorkflow(compiled, file)


def _not_to_be_run(compiled: CompiledWorkflow) -> Iterator[tuple[str, str]]:
    for key, spec in compiled.tasks.items():
        if spec.type == _PYTHON and not spec.config.get("module"):
            yield (
                f"task `{key}` is a Python function in a file of a project, which an import does not bring",
                "Put the function into an installed package and name it by `module` and `qualname`, "
                "or write the workflow in Python",
            )
    for body in compiled.workflows.values():
        # Ids become parts of the paths and addresses under which a run keeps what belongs to a node.
        for node in body.nodes:
            if _ID.fullmatch(node.id) is None:
                yield (
                    f"`{node.id}` of workflow `{body.name}` is no id of a node",
                    "Ids are letters, digits, `_` and `-`, and begin with a letter or `_`",
                )
