"""Ids of runs: drawn, and drawn again if another run of the same second has drawn the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardpoint.core import task, workflow
from hardpoint.executor import Executor, submission
from hardpoint.executor.journal.protocol import ExecutionExistsError


@task
def one() -> int:
    return 1


@workflow
def flow() -> int:
    return one()


def test_a_drawn_id_that_is_taken_is_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["20260101-000000-aaaaa", "20260101-000000-aaaaa", "20260101-000000-bbbbb"])
    monkeypatch.setattr(submission, "new_execution_id", lambda now, dice: next(ids))
    with Executor(tmp_path / "home") as executor:
        first, second = executor.submit(flow), executor.submit(flow)
        assert [first.id[-5:], second.id[-5:]] == ["aaaaa", "bbbbb"]
        assert first.result(30) == second.result(30) == 1


def test_an_id_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with Executor(tmp_path / "home") as executor:
        assert executor.submit_with(flow, {}, execution_id="nightly-1").result(30) == 1
        with pytest.raises(ExecutionExistsError, match="nightly-1"):
            executor.submit_with(flow, {}, execution_id="nightly-1")
