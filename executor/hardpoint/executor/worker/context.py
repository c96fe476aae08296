"""What a function handler is given inside a worker: implements `plugin_api.FunctionContext`."""

from __future__ import annotations

import functools
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from hardpoint.executor.pool.messages import CallProgress, FunctionCall
from hardpoint.executor.secrets import Ask, SecretValues
from hardpoint.plugin_api import Reference, Store, TaskSpec, Values

PROGRESS_INTERVAL_S = 0.1
"""More often than that nobody looks; the engine would spend its time on it."""


class WorkerContext:
    """The context of one attempt.

    Args:
        spec: The task.
        call: Which try of what.
        store: Where values that travel by reference lie.
        code_dir: The unpacked archive.
        folder: The worker's own; scratch folders are made in it.
        report: Sends progress to the engine.
        ask: Asks plugins for secrets that nothing else has.
    """

    __slots__ = (
        "_call",
        "_folder",
        "_progress_due_s",
        "_report",
        "_scratch",
        "artifacts",
        "code_dir",
        "secrets",
        "spec",
        "store",
    )

    def __init__(
        self,
        spec: TaskSpec,
        call: FunctionCall,
        store: Store,
        code_dir: Path,
        folder: Path,
        report: Callable[[CallProgress], None],
        ask: Ask,
    ) -> None:
        self.spec = spec
        self.store = store
        self.code_dir = code_dir
        self.secrets = SecretValues(ask=ask)
        self.artifacts: list[tuple[str, Reference]] = []
        self._call = call
        self._folder = folder
        self._report = report
        self._scratch: Path | None = None
        self._progress_due_s = 0.0

    @property
    def execution(self) -> str:
        """See `FunctionContext`."""
        return self._call.execution

    @property
    def node(self) -> str:
        """See `FunctionContext`."""
        return self._call.node

    @property
    def attempt(self) -> int:
        """See `FunctionContext`."""
        return self._call.attempt

    @property
    def scratch_dir(self) -> Path:
        """See `FunctionContext`."""
        if self._scratch is None:
            self._scratch = self._folder / f"scratch-{self._call.ticket}"
            self._scratch.mkdir()
        return self._scratch

    @property
    def values(self) -> Values:
        """See `FunctionContext`."""
        from hardpoint.core.types.natural import LiteralValues

        return LiteralValues(self.store)

    @property
    def logger(self) -> logging.Logger:
        """See `FunctionContext`."""
        return _logger()

    def secret(self, name: str) -> str:
        """See `FunctionContext`."""
        return self.secrets.get(name)

    def progress(self, done: float, total: float, note: str = "") -> None:
        """See `FunctionContext`."""
        now_s = time.monotonic()
        if now_s >= self._progress_due_s or done >= total:
            self._progress_due_s = now_s + PROGRESS_INTERVAL_S
            self._report(CallProgress(self._call.ticket, done, total, self.secrets.mask(note)))

    def artifact(self, title: str, reference: Reference) -> None:
        """See `FunctionContext`."""
        self.artifacts.append((title, reference))

    def variables(self) -> dict[str, str]:
        """The environment variables in which this task finds its secrets."""
        return {secret.env: self.secret(secret.name) for secret in self.spec.secrets if secret.env}

    def close(self) -> None:
        """Remove what belonged to this attempt only."""
        if self._scratch is not None:
            import shutil

            shutil.rmtree(self._scratch, ignore_errors=True)


class _CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to `sys.stderr` as it is now: the worker replaces it when user code has closed it."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Nothing to keep."""


@functools.cache
def _logger() -> logging.Logger:
    logger = logging.getLogger("hardpoint.task")
    handler = _CurrentStderr()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger
