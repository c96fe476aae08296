"""Mapped nodes in `plan`, `compile`, `graph` and `run`, and a task that is mapped where it is defined."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hardpoint.executor.cli.entry import run_command_line

FLOW = """
import functools

from hardpoint.core import map_task, task, workflow


@task(cache=True)
def scale(x: int, factor: int) -> int:
    return x * factor


@map_task
@task(deadline=60)
def squares(x: int) -> int:
    return x * x


@workflow
def main(xs: list[int], factor: int = 2) -> list[int]:
    scaled = map_task(functools.partial(scale, factor=factor), concurrency=2, min_success_ratio=0.5)(xs)
    return squares(sums(scaled))


@task(cache=True)
def sums(values: list[int | None]) -> list[int]:
    return [value or 0 for value in values]
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARDPOINT_HOME", "home")


def said(line: str, capfd: pytest.CaptureFixture[str]) -> str:
    assert run_command_line(line.split()) == 0
    return capfd.readouterr().out


SCALE = {"over": ["x"], "concurrency": 2, "min_success_ratio": 0.5}


def test_compile_and_graph(capfd: pytest.CaptureFixture[str]) -> None:
    told = json.loads(said("compile flow.py main --json", capfd))
    assert (told["nodes"], told["map"]) == (3, {"scale": SCALE, "squares": {"over": ["x"]}})
    written = json.loads(said("compile flow.py main -o -", capfd))
    nodes = {each["id"]: each.get("map") for each in written["workflows"]["flow.py:main"]["nodes"]}
    assert nodes == {"scale": SCALE, "sums": None, "squares": {"over": ["x"]}}
    assert '["squares ×n<br/>flow.py:squares"]' in said("graph flow.py main", capfd)


def test_a_plan_before_and_after_a_run(capfd: pytest.CaptureFixture[str]) -> None:
    plan = "plan flow.py main --xs [1,2,3]"
    rows = json.loads(said(f"{plan} --json", capfd))["nodes"]
    assert [(row["node"], row["map"], row["cache"]) for row in rows] == [
        ("scale", SCALE, "miss"),
        ("sums", None, "unknown"),
        ("squares", {"over": ["x"]}, "off"),
    ]
    assert [row["deadline_s"] for row in rows] == [None, None, 60.0]
    assert "\nsquares ×n" in said(plan, capfd)
    ran = json.loads(said("run flow.py main --xs [1,2,3] --json", capfd))
    assert ran["outputs"] == {"result": [4, 16, 36]}
    rows = json.loads(said(f"{plan} --json", capfd))["nodes"]
    assert [row["cache"] for row in rows] == ["hit", "hit", "off"]
    rows = json.loads(said("plan flow.py main --xs [1,2,9] --json", capfd))["nodes"]
    assert [row["cache"] for row in rows] == ["partly", "unknown", "off"]
