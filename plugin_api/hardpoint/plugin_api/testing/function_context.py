"""What a worker gives to a function's handler, without a worker."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from hardpoint.plugin_api.literals import Reference
from hardpoint.plugin_api.task import TaskSpec
from hardpoint.plugin_api.testing.fakes import FakeContext


class FakeFunctionContext:
    """Implements `FunctionContext`: one attempt in a folder of its own, with all it tells kept.

    Args:
        spec: The task.
        code_dir: The unpacked archive.
        folder: Of this attempt; its scratch folder is made in there.
        secrets: Values by name; what is not in there is missing.
    """

    def __init__(
        self, spec: TaskSpec, code_dir: Path, folder: Path, secrets: Mapping[str, str] | None = None
    ) -> None:
        self._context = FakeContext(secrets)
        self.execution, self.node, self.attempt = "execution", "node", 1
        self.spec = spec
        self.code_dir = code_dir
        self.scratch_dir = folder / "scratch"
        self.scratch_dir.mkdir(parents=True)
        self.store = self._context.store
        self.values = self._context.values
        self.logged = self._context.logged
        self.logger: logging.Logger = self._context.logger
        self.noted: list[tuple[float, float, str]] = []
        self.artifacts: dict[str, Reference] = {}

    def secret(self, name: str) -> str:
        """Resolve a secret now; raises `SecretMissingError`."""
        return self._context.secret(name)

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Kept in `noted`."""
        self.noted.append((done, total, note))

    def artifact(self, title: str, reference: Reference) -> None:
        """Kept in `artifacts`."""
        self.artifacts[title] = reference
