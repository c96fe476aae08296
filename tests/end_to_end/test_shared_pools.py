"""Four executor processes share pools: no more is held than there is, tenants get the same, nothing leaks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.prove.killing_rig import Store
from tests.prove.pool_counts import shares
from tests.prove.pool_rig import Limits, Load, Sharing, sharing

from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.plugin_api.testing.jobservice import JobService

SLOTS = 8


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else "sqlite"
    with Store(tmp_path, url) as opened:
        yield opened


@pytest.fixture
def service() -> Iterator[JobService]:
    with JobService() as started:
        yield started


def assert_succeeded(rows: list[ExecutionRow], share: Sharing) -> None:
    assert [row.phase for row in rows] == [RunPhase.SUCCEEDED] * len(rows), share.complaints()
    stats = share.service.stats().total
    assert (stats.double_submits, stats.orphans, stats.cancelled) == (0, 0, 0)


def test_tenants_share_fairly_and_hold_no_more_than_there_is(store: Store, service: JobService) -> None:
    # One tenant in two processes, another with short jobs: turns alone would not make them equal.
    loads = [
        [Load("a", 40, 0.5)],
        [Load("b", 80, 0.2)],
        [Load("c", 40, 0.3), Load("d", 40, 0.3)],
        [Load("a", 40, 0.4), Load("d", 40, 0.3)],
    ]
    with sharing(store, service, Limits(SLOTS), loads) as share:
        assert_succeeded(share.finish(), share)
        found = shares(service.records(), share.attempts(), SLOTS)
        print(found)
        assert service.stats().total.max_running <= SLOTS
        assert found.window_s > 3.0
        assert found.jain >= 0.98
        assert found.utilisation >= 0.6
        assert share.leaked() == []


def test_what_killed_executors_held_comes_back_and_is_never_given_twice(
    store: Store, service: JobService
) -> None:
    loads = [[Load(project, 45, 0.3)] for project in "abcd"]
    with sharing(store, service, Limits(SLOTS), loads) as share:
        for number, ended in enumerate((40, 70)):
            share.until_ended(ended)
            share.kill(number)
        assert_succeeded(share.finish(), share)
        stats = service.stats().total
        assert (stats.created, stats.max_running) == (180, SLOTS)
        assert share.leaked() == []


def test_a_pool_is_lowered_raised_closed_and_deleted_while_jobs_run(
    store: Store, service: JobService
) -> None:
    loads = [[Load(project, 250, 0.3)] for project in "abcd"]
    with sharing(store, service, Limits(40), loads) as share:
        for ended, capacity in ((100, 10), (200, 60), (450, 3), (500, 0)):
            share.until_ended(ended)
            share.set_capacity(capacity)
        share.until("all have ended", lambda: service.stats().total.running == 0)
        closed_at = service.stats().total.created
        time.sleep(0.5)
        assert service.stats().total.created == closed_at
        share.set_capacity(20)
        share.until_ended(700)
        share.set_capacity(None)
        assert_succeeded(share.finish(), share)
        stats = service.stats().total
        assert (stats.created, stats.max_running) == (1000, 60)
        assert share.over_admitted() == []
        assert share.leaked() == []


def test_executors_that_wait_for_a_pool_outlive_their_database(tmp_path: Path, service: JobService) -> None:
    loads = [[Load(project, 25, 0.3)] for project in "abcd"]
    with Store(tmp_path, "postgresql") as store, sharing(store, service, Limits(SLOTS), loads) as share:
        assert store.server is not None
        for ended in (20, 40):
            share.until_ended(ended)
            store.server.kill9()
            time.sleep(1.5)
            store.server.start()
        rows = share.finish()
        assert {row.phase for row in rows} == {RunPhase.SUCCEEDED}, share.complaints()
        assert (service.stats().total.created, service.stats().total.max_running) == (100, SLOTS)
        assert share.leaked() == []


def test_executors_that_decide_on_one_pool_and_give_back_another_do_not_block_each_other(
    store: Store, service: JobService
) -> None:
    pools = [f"jobservice:{tenant}" for tenant in "xy"]

    def side(project: str, flooded: str, other: str) -> list[Load]:
        return [Load(project, 80, 0.2, flooded), Load(project, 2, 0.05, other, links=30)]

    loads = [side("a", "x", "y"), side("b", "y", "x"), side("c", "x", "y"), side("d", "y", "x")]
    with sharing(store, service, Limits(SLOTS), loads) as share:
        rows = share.finish()
        assert_succeeded(rows, share)
        assert {name: each.max_running for name, each in service.stats().tenants.items()} == {"x": 8, "y": 8}
        assert share.leaked(pools) == []
        # Of two transactions that wait for each other the server ends one: then a run would be lost.
        adoptions = [type(event).__name__ for row in rows for event in store.journal.read(row.execution)]
        assert adoptions.count("Adopted") == len(rows)
