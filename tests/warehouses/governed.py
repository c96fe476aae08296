"""Many queries of eight tenants through one executor; they come when all slots are taken, and one floods."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.warehouses.measures import Held, Measured, measure
from tests.warehouses.warehouse import BEFORE, SLOTS, TENANTS, Warehouse

from hardpoint.core import Workflow, workflow
from hardpoint.executor import Execution, Executor
from hardpoint.executor.journal.events import AttemptStarted, AttemptSucceeded, JobCreated
from hardpoint.executor.journal.protocol import Journal
from hardpoint.plugin_api.definition import TaskDefinition

LENGTHS_S = {"short": (0.2, 2.0, 2.0), "long": (2.0, 3.0, 4.0), "flood": (2.0, 2.0, 3.0)}
"""What a tenant's queries take; who has short ones must not get less, and not more, for it.

On average long enough that slots are scarcer than the creates a second that plugins declare.
"""
OF_A_HUNDRED = {"short": 14, "long": 7, "flood": 23}
"""Queries of a tenant, so that all have something to wait for most of the time."""
KINDS = ("flood", "short", "long", "short", "long", "short", "long", "short")
BEFORE_S = 2.0
"""What the queries take that hold all slots when the tenants come, for whom all is warm then."""
PATIENCE_S = 600.0
LOOK_EVERY_S = 0.05


def demand(queries: int, seed: int = 0) -> dict[str, list[float]]:
    """Lengths of all queries, by tenant.

    >>> asked = demand(100)
    >>> sum(map(len, asked.values())), len(asked["t0"]), len(asked["t1"]), len(asked["t2"])
    (100, 23, 14, 7)
    """
    dice = random.Random(seed)
    asked = {}
    for tenant, kind in zip(TENANTS, KINDS, strict=True):
        count = OF_A_HUNDRED[kind] * queries // 100
        lengths = [LENGTHS_S[kind][number % 3] for number in range(count)]
        dice.shuffle(lengths)
        asked[tenant] = lengths
    return asked


def govern(warehouse: Warehouse, queries: int, home: Path) -> Measured:
    """Run so many queries, and measure.

    Args:
        warehouse: Where; it has run nothing yet.
        queries: A multiple of 100.
        home: An empty folder.
    """
    config = home / "hardpoint.toml"
    config.write_text(warehouse.settings)
    asked = demand(queries)
    tasks = {length_s: warehouse.query(length_s) for length_s in {BEFORE_S}.union(*asked.values())}
    flows = {
        tenant: _flow([tasks[each] for each in lengths], 1000 * number)
        for number, (tenant, lengths) in enumerate({BEFORE: [BEFORE_S] * SLOTS, **asked}.items())
    }
    for flow in flows.values():
        flow.compile()
    with (
        patch.dict(os.environ, warehouse.environment),
        Executor(home, config=config, workers=warehouse.workers) as executor,
    ):
        runs = {BEFORE: executor.submit_with(flows.pop(BEFORE), {}, project=BEFORE)}
        _await(lambda: _started(executor.journal, runs[BEFORE]) == SLOTS)
        runs |= {tenant: executor.submit_with(flow, {}, project=tenant) for tenant, flow in flows.items()}
        for run in runs.values():
            run.result(timeout_s=PATIENCE_S)
        held = dict(_held(executor.journal, runs))
    return measure(warehouse, held)


def _flow(tasks: Sequence[TaskDefinition], first: int) -> Workflow[[], Any]:
    @workflow
    def queries() -> int:
        last: int = [task(n=n) for n, task in enumerate(tasks, first)][-1]
        return last

    return queries


def _started(journal: Journal, run: Execution) -> int:
    return sum(isinstance(event, AttemptStarted) for event in journal.read(run.id))


def _await(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(LOOK_EVERY_S)


def _held(journal: Journal, runs: Mapping[str, Execution]) -> Iterator[tuple[str, Held]]:
    for tenant, run in runs.items():
        jobs: dict[str, str] = {}
        began: dict[str, float] = {}
        for event in journal.read(run.id):
            match event:
                case AttemptStarted():
                    began[event.node] = event.at
                case JobCreated():
                    jobs[event.node] = event.job.id
                case AttemptSucceeded():
                    [returned] = event.outputs.values()
                    yield jobs.get(event.node, str(returned)), Held(tenant, began[event.node], event.at)
                case _:
                    pass
