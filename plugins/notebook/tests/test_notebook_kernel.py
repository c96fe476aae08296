"""Kernels do not outlive their worker, however it ends."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hardpoint.core.store import BlobStore
from hardpoint.core.types.natural import LiteralValues
from hardpoint.plugin_api import FunctionContext, Interface, TaskSpec
from hardpoint_notebook.handler import NotebookHandler

AtWork = tuple[subprocess.Popen[bytes], int]
"""A worker, and the reading end of a pipe whose writing end its kernel holds."""


def run_until_killed(folder: Path) -> None:
    """The life of a worker, in a process of its own."""
    store = BlobStore(str(folder / "blobs"))
    context = SimpleNamespace(
        spec=TaskSpec("flow.py:wait", "notebook", "1", Interface(), {"notebook": "wait.ipynb"}),
        code_dir=folder,
        scratch_dir=folder / "scratch",
        store=store,
        values=LiteralValues(store),
        logger=logging.getLogger("test-notebook"),
        progress=lambda *_: None,
        artifact=lambda *_: None,
    )
    context.scratch_dir.mkdir()
    NotebookHandler().run(cast(FunctionContext, context), {})


@pytest.fixture
def kernel_at_work(tmp_path: Path) -> Iterator[AtWork]:
    """Start a worker, and return when its notebook has opened the pipe."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    source = f"pipe = open({str(pipe)!r}, 'wb', buffering=0)\npipe.write(b'x')\nimport time\ntime.sleep(600)"
    cell: dict[str, Any] = {"cell_type": "code", "metadata": {}, "source": source}
    cell |= {"execution_count": None, "outputs": []}
    document = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (tmp_path / "wait.ipynb").write_text(json.dumps(document))
    call = f"m['run_until_killed'](pathlib.Path({str(tmp_path)!r}))"
    program = f"import pathlib, runpy; m = runpy.run_path({__file__!r}); {call}"
    worker = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    # Without O_NONBLOCK a worker that fails early would leave this waiting for a writer for ever.
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert select.select([reading], [], [], 60)[0], "the notebook did not begin"
        assert os.read(reading, 1) == b"x"
        yield worker, reading
    finally:
        os.close(reading)
        worker.kill()
        worker.wait()


def closed_within(reading: int, seconds: float) -> bool:
    """Whether the last process that could write has gone."""
    readable, _, _ = select.select([reading], [], [], seconds)
    return bool(readable) and os.read(reading, 1) == b""


def test_the_kernel_dies_with_the_process_group_of_its_worker(
    kernel_at_work: AtWork,
) -> None:
    worker, reading = kernel_at_work
    os.killpg(worker.pid, signal.SIGKILL)
    assert closed_within(reading, 0.5)


def test_the_kernel_dies_when_its_worker_has_died_alone(
    kernel_at_work: AtWork,
) -> None:
    worker, reading = kernel_at_work
    worker.kill()
    assert closed_within(reading, 20)
