"""What can be submitted: a workflow that was written in Python, or one that was imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.plugin_api import Interface, Store, TaskDefinition, Wire


class Runnable(Protocol):
    """A workflow that is compiled, or can be."""

    @property
    def file(self) -> Path:
        """Where it is written."""

    @property
    def doc(self) -> str:
        """Its description."""

    @property
    def interface(self) -> Interface:
        """Its typed inputs and outputs."""

    @property
    def definitions(self) -> Mapping[str, TaskDefinition]:
        """By key of its tasks: what they were made from, so that their code can be archived."""

    def compile(self) -> CompiledWorkflow:
        """Check it and freeze it."""

    def decode_outputs(self, wires: Mapping[str, Wire], store: Store) -> Any:
        """The result of a run."""
