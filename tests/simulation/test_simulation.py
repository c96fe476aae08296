"""A thousand worlds in which everything goes wrong, and every promise holds in each."""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulation.compiled_plans import compiled
from tests.simulation.faults import Faults, draw_faults
from tests.simulation.plan_strategy import MOST_NODES, plans
from tests.simulation.plans import Plan, expected_outputs
from tests.simulation.sim_registry import registry
from tests.simulation.simulate import scenario, simulate, simulate_world
from tests.simulation.trace import trace

from hardpoint.core.flatten import flatten
from hardpoint.executor.admission import check_tasks

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 1000
KINDS = ("array", "function", "name", "push", "rough", "search", "token")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def run(*arguments: str, hash_seed: str = "0") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--json", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == bool(found["failed"])
    return found


def test_a_thousand_seeds_break_no_promise(capsys: pytest.CaptureFixture[str]) -> None:
    found = run("--seeds", f"0..{SEEDS - 1}", "--jobs", "2")
    with capsys.disabled():
        print(f"\n{found['seeds']} seeds, {found['seeds_per_s']} a second, {found['virtual_hours']} hours")
    assert found["failed"] == {}
    assert found["seeds"] == SEEDS


def test_the_same_seeds_are_the_same_worlds_in_every_process() -> None:
    first = run("--seeds", "0..149", "--jobs", "1", hash_seed="1")
    again = run("--seeds", "0..149", "--jobs", "2", hash_seed="2")
    assert first["digest"] == again["digest"]
    assert run("--seeds", "150..299", "--jobs", "2")["digest"] != first["digest"]


def test_a_seed_run_twice_in_one_process_is_the_same_world() -> None:
    assert [simulate(seed) for seed in range(20)] == [simulate(seed) for seed in range(20)]


def test_seeds_are_of_all_kinds() -> None:
    drawn = [scenario(seed) for seed in range(SEEDS)]
    all_faults = [faults for _, faults in drawn]
    assert 20 < sum(faults.are_none for faults in all_faults) < 200
    assert sum(faults.engines.count == 2 for faults in all_faults) > 100
    assert sum(faults.sql for faults in all_faults) > 5
    assert sum(bool(faults.disk.power_cuts) for faults in all_faults) > 20
    types = {task.type for plan, _ in drawn for task in plan.tasks.values()}
    assert types == {"python", *(f"sim_{kind}" for kind in KINDS)}
    arrays = [node.array for plan, _ in drawn for node in plan.nodes if node.array is not None]
    assert {array.size for array in arrays} >= {0, 1, 2, 8, 30}
    assert any(array.concurrency for array in arrays) and any(array.broken for array in arrays)


@given(plans())
@settings(max_examples=60)
def test_plans_are_workflows_that_compile(plan: Plan) -> None:
    assert 1 <= len(plan.nodes) <= MOST_NODES
    workflow = compiled(plan)
    check_tasks(registry(), workflow)
    assert list(flatten(workflow).nodes) == [node.id for node in plan.nodes]
    assert len(expected_outputs(plan, 1)["result"]) == len(plan.sinks())


@given(plans(), st.integers(0, 2**32))
@settings(max_examples=60)
def test_any_workflow_keeps_its_promises_in_calm_weather(plan: Plan, seed: int) -> None:
    assert simulate_world(seed, plan, Faults()).problem == ""


@given(plans(), st.integers(0, 2**32))
@settings(max_examples=60)
def test_any_workflow_keeps_its_promises_in_bad_weather(plan: Plan, seed: int) -> None:
    assert simulate_world(seed, plan, draw_faults(random.Random(seed))).problem == ""


def test_a_trace_tells_what_happened() -> None:
    lines, ending = trace(0)
    assert lines[0] == "seed 0"
    assert any(" journal " in line and "Ended(" in line for line in lines)
    assert ending == simulate(0)
