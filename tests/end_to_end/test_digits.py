"""The main example as its readers run it: through the executor, in worker processes, with its notebook."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from hardpoint.core import Workflow
from hardpoint.core.loading import find_workflow
from hardpoint.executor import ExecutionFailedError, Executor

FLOW = Path(__file__).parents[2] / "examples" / "digits" / "flow.py"
CANDIDATES = 5
NODES = CANDIDATES + 4


@pytest.fixture(scope="module")
def digits() -> Workflow[..., Any]:
    return find_workflow(FLOW, "digits")


def test_the_second_run_computes_nothing(digits: Workflow[..., Any], tmp_path: Path) -> None:
    with Executor(tmp_path / "home", workers=2) as executor:
        first = executor.submit(digits)
        outcome = first.result(timeout_s=300)
        assert outcome.accuracy > 0.95
        assert outcome.best == "support-vectors"
        page = outcome.report.read_text()
        assert page.count("<img ") == 3 and "cdnjs" not in page
        assert [event.kind for event in first.events()].count("AttemptSucceeded") == NODES

        began_s = time.monotonic()
        second = executor.submit(digits)
        assert second.result(timeout_s=60) == outcome
        assert time.monotonic() - began_s < 5
        kinds = [event.kind for event in second.events()]
        assert (kinds.count("NodeCached"), kinds.count("AttemptStarted")) == (NODES, 0)


BROKEN = """
from hardpoint.core import workflow
from hardpoint_notebook import NotebookTask

report = NotebookTask("report.ipynb", inputs={"n": int}, outputs={"half": float})

@workflow
def weekly(n: int) -> float:
    return report(n=n).half
"""
NOTEBOOK = """{"cells": [
 {"cell_type": "code", "metadata": {}, "source": ["half = 1 / n"], "execution_count": null, "outputs": []},
 {"cell_type": "code", "metadata": {}, "execution_count": null, "outputs": [],
  "source": ["from hardpoint_notebook import record\\n", "record(half=half)"]}
], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}"""


def test_a_failing_cell_reaches_whoever_waits(tmp_path: Path) -> None:
    (tmp_path / "weekly.py").write_text(BROKEN)
    (tmp_path / "report.ipynb").write_text(NOTEBOOK)
    weekly = find_workflow(tmp_path / "weekly.py", "weekly")
    with Executor(tmp_path / "home", workers=1) as executor:
        assert executor.submit(weekly, n=4).result(timeout_s=120) == 0.25
        with pytest.raises(ExecutionFailedError) as caught:
            executor.submit(weekly, n=0).result(timeout_s=120)
    error = caught.value.outcome.error
    assert error is not None
    assert error.message == (
        "Cell 1 of `report.ipynb` failed at line 1, `half = 1 / n`: ZeroDivisionError: division by zero"
    )
    assert (error.code, error.bases[0]) == ("CellFailed", "ZeroDivisionError")
    assert "----> 1 half = 1 / n" in error.traceback
