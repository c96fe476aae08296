"""Queries through an executor: how many calls they cost, how soon their end is noticed, what ends a run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from hardpoint.core import Workflow, map_task, workflow
from hardpoint.executor import Executor
from hardpoint.plugin_api import Retry
from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint.plugin_api.testing.http_dialect import Answer, Call, Fault, FaultKind
from hardpoint_athena import AthenaQuery, Connection
from hardpoint_athena.testing.http_dialect import AthenaDialect
from hardpoint_athena.testing.standin import Standin

WITHIN_S = 30.0
QUERIES = 20
FIRST_KEY, NEXT_KEY = "AKIAFIRST", "AKIANEXT"
EXPIRED = Fault(FaultKind.REFUSE, status=400, code="ExpiredTokenException")


class Expiring(AthenaDialect):
    """Takes one key, and says of all others that they have expired."""

    def __init__(self) -> None:
        self.key = FIRST_KEY
        self.refused = 0

    def own_answer(self, call: Call) -> Answer | None:
        if f"Credential={self.key}/" in call.headers["authorization"]:
            return None
        self.refused += 1
        return self.refusal(EXPIRED)


class Service:
    """The stand-in behind a proxy, and an executor that has the secrets."""

    def __init__(self, standin: Standin, proxy: FaultProxy, executor: Executor, key: Path) -> None:
        self.standin, self.proxy, self.executor = standin, proxy, executor
        assert isinstance(proxy.dialect, Expiring)
        self.dialect = proxy.dialect
        self._key = key
        standin.reset()
        proxy.reset()
        self.rotate(FIRST_KEY)
        self.dialect.refused = 0

    def rotate(self, key: str) -> None:
        self._key.write_text(key)
        self.dialect.key = key

    def query(self, sql: str, **more: Any) -> AthenaQuery:
        here = Connection(
            region="us-east-1", endpoint_url=self.proxy.url, access_key="KEY", secret_key="SECRET"
        )
        return AthenaQuery(sql=sql, connection=here, **{"outputs": {"result": int}, **more})


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[Standin, FaultProxy, Executor, Path]]:
    with (
        pytest.MonkeyPatch.context() as patch,
        TemporaryDirectory(prefix="hardpoint-") as folder,
        Standin() as standin,
        FaultProxy(standin.url, Expiring()) as proxy,
    ):
        patch.setenv("HARDPOINT_SECRETS", folder)
        (Path(folder) / "SECRET").write_text("s")
        with Executor(journal="memory", workers=1) as executor:
            yield standin, proxy, executor, Path(folder) / "KEY"


@pytest.fixture
def service(started: tuple[Standin, FaultProxy, Executor, Path]) -> Service:
    return Service(*started)


def flow_of(query: AthenaQuery) -> Workflow[..., Any]:
    """A workflow of one query without inputs."""

    @workflow
    def run() -> int:
        result: int = query()
        return result

    return run


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def runs(service: Service) -> bool:
    return [each["state"] for each in service.standin.queries()] == ["RUNNING"]


def test_concurrent_queries_cost_at_most_three_calls_each(service: Service) -> None:
    square = service.query(
        "SELECT n * n AS result FROM range(0, 1000) AS t (n) WHERE n = :n /* runs 0.3 s */", inputs={"n": int}
    )

    @workflow
    def many(values: list[int]) -> list[int]:
        squares: list[int] = map_task(square)(n=values)
        return squares

    run = service.executor.submit(many, values=list(range(QUERIES)))
    assert run.result(WITHIN_S) == [n * n for n in range(QUERIES)]
    calls = Counter(service.proxy.calls())
    assert calls["StartQueryExecution"] == calls["GetQueryResults"] == QUERIES
    assert calls.total() <= 3 * QUERIES, calls


def test_the_end_of_a_query_of_two_seconds_is_noticed_within_half_a_second(service: Service) -> None:
    run = service.executor.submit(flow_of(service.query("SELECT 2 AS result /* runs 2 s */")))
    assert run.result(WITHIN_S) == 2
    [asked] = service.standin.queries()
    ends = [each.at for each in run.events() if each.data.get("phase") == "SUCCEEDED"]
    assert 0 < min(ends) - asked["ended"] < 0.5


@pytest.mark.parametrize("destination", [None, "default.never"])
def test_a_syntax_error_is_one_query_however_often_it_may_be_tried(
    service: Service, destination: str | None
) -> None:
    task = service.query("SELECT count(*", retry=Retry(3), destination=destination, outputs={})

    @workflow
    def run() -> None:
        task()

    outcome = service.executor.submit(run).outcome(WITHIN_S)
    assert outcome.error is not None and outcome.error.code == "SYNTAX_ERROR"
    assert "1 | " in outcome.error.message
    assert len(service.standin.queries()) == 1


def test_credentials_that_expire_in_mid_run_are_refreshed(service: Service) -> None:
    run = service.executor.submit(flow_of(service.query("SELECT 7 AS result /* runs 1.5 s */")))
    until(lambda: runs(service))
    service.rotate(NEXT_KEY)
    assert run.result(WITHIN_S) == 7
    assert len(service.standin.queries()) == 1


def test_credentials_that_expire_before_new_ones_lie_there_are_read_again(service: Service) -> None:
    run = service.executor.submit(flow_of(service.query("SELECT 7 AS result /* runs 1.5 s */")))
    until(lambda: runs(service))
    service.proxy.script(EXPIRED, EXPIRED)
    assert run.result(WITHIN_S) == 7
    assert not service.proxy.scripted() and len(service.standin.queries()) == 1


def test_a_query_that_somebody_cancelled_is_told_as_cancelled_and_not_tried_again(service: Service) -> None:
    task = service.query("SELECT 7 AS result /* runs 20 s */", retry=Retry(3))
    run = service.executor.submit(flow_of(task))
    until(lambda: runs(service))
    [asked] = service.standin.queries()
    service.standin.tell("end", id=asked["id"], state="CANCELLED", reason="Query cancelled by user")
    outcome = run.outcome(WITHIN_S)
    assert outcome.error is not None and outcome.error.code == "CancelledElsewhere"
    phases = [each.data["phase"] for each in run.events() if each.kind == "JobMoved"]
    assert phases[-1] == "CANCELLED"
    assert len(service.standin.queries()) == 1
