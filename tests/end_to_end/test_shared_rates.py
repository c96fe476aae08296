"""Four executor processes share the rate of an account, by what their gates note and the service counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.prove.killing_rig import Store
from tests.prove.pool_counts import most_in_a_second
from tests.prove.pool_rig import Limits, Load, Sharing, sharing

from hardpoint.executor.journal.events import RunPhase
from hardpoint.plugin_api.testing.jobservice import JobService

PER_S, PROCESSES, JOBS = 10.0, 4, 20
LOADS = [[Load(project, JOBS, 0.1)] for project in "abcd"]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else "sqlite"
    with Store(tmp_path, url) as opened:
        yield opened


def assert_kept(share: Sharing, burst: int) -> list[float]:
    """Assert that all processes together kept to the rate; return when calls went out, in order."""
    rows = share.finish()
    assert [row.phase for row in rows] == [RunPhase.SUCCEEDED] * PROCESSES, share.complaints()
    by_process = share.calls("write")
    assert [len(calls) for calls in by_process] == [JOBS] * PROCESSES
    calls = sorted(at for each in by_process for at in each)
    assert most_in_a_second(calls) <= PER_S + burst
    arrivals = [record.created for record in share.service.records()]
    assert len(arrivals) == JOBS * PROCESSES
    assert most_in_a_second(arrivals) <= PER_S + burst + PROCESSES
    return calls


@pytest.mark.parametrize("burst", [1, 3])
def test_all_together_call_no_more_often_than_is_declared(burst: int, store: Store) -> None:
    with JobService() as service, sharing(store, service, Limits(100, PER_S, burst), LOADS) as share:
        calls = assert_kept(share, burst)
    # And what is declared is used.
    assert calls[-1] - calls[0] <= (JOBS * PROCESSES - burst) / PER_S * 1.25


def test_those_who_waited_for_the_database_do_not_call_all_at_once(store: Store) -> None:
    def dawdle(body: bytes) -> bytes:
        time.sleep(0.7)
        return body

    with JobService() as service, sharing(store, service, Limits(100, PER_S, 1), LOADS) as share:
        account = f"jobservice:default@{service.url.removeprefix('http://')}"
        for _ in range(4):
            time.sleep(1.0)
            store.journal.pools.change_rate(account, "write", dawdle)
        assert_kept(share, 1)
