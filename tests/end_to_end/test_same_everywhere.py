"""The same workflow does the same on every journal, by any of several executors, and in a plain call."""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hardpoint_jobservice import JobServicePlugin
from tests.end_to_end.everywhere_cases import CASES, PLACE, Case, Failure

from hardpoint.core import Workflow
from hardpoint.core.loading import find_workflow
from hardpoint.executor import Execution, ExecutionFailedError, Executor, Outcome
from hardpoint.executor.journal.events import Adopted, AttemptStarted, Event
from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.protocol import Journal
from hardpoint.executor.view import load_view
from hardpoint.plugin_api import PollPolicy
from hardpoint.plugin_api.testing.jobservice import JobService

PATIENCE_S = 40.0

JOB_FLOWS = """
from hardpoint.core import Retry, map_task, task, workflow
from hardpoint.plugin_api import Options
from hardpoint_jobservice import JobTask

URL = "<url>"
by_token = JobTask("by_token", url=URL)
by_name = JobTask("by_name", type="jobservice_name", url=URL)
by_search = JobTask("by_search", type="jobservice_search", url=URL)
retried = JobTask("retried", url=URL, fail_attempts=1, options=Options(retry=Retry(2, delay_s=0.0)))
failing = JobTask("failing", url=URL, fail=True, options=Options(retry=Retry(2, delay_s=0.0)))
slow = JobTask("slow", url=URL, duration_s=600.0, options=Options(timeout_s=0.5))


@task
def add(numbers: list[int]) -> int:
    return sum(numbers)


@workflow
def chain() -> int:
    return add(numbers=[by_search(value=by_name(value=by_token(value=5))), 1])


@workflow
def second_try() -> int:
    return retried(value=1)


@workflow
def no_try() -> int:
    return add(numbers=[failing(value=1), 2])


@workflow
def too_slow() -> int:
    return slow(value=1)


@workflow
def array(xs: list[int]) -> list[int]:
    return map_task(by_token, concurrency=2)(value=xs)
"""


@dataclass(frozen=True)
class Done:
    """What became of a run, from its journal."""

    flow: Workflow[..., Any]
    outcome: Outcome
    result: Any
    attempts: Mapping[str, int]
    states: Mapping[str, str]
    owners: frozenset[str]


def job_cases(folder: Path, url: str) -> dict[str, Case]:
    """Workflows of jobs of a service; plain Python cannot run those."""
    (folder / "job_flows.py").write_text(JOB_FLOWS.replace("<url>", url))

    def flow(name: str) -> Workflow[..., Any]:
        return find_workflow(folder / "job_flows.py", name)

    failed = Failure("failing", "JobFailed", "")
    late = Failure(
        "slow", "TimeoutExpired", "Attempt 1 of node `slow` ran longer than 0.5 s and was cancelled"
    )
    skipped = {"failing": "FAILED", "add": "SKIPPED"}
    return {
        "jobs": Case(flow("chain"), {}, 6),
        "retries of jobs": Case(flow("second_try"), {}, 1, {"retried": 2}),
        "a failed job": Case(flow("no_try"), {}, failed, {"failing": 2, "add": 0}, not_done=skipped),
        "a late job": Case(flow("too_slow"), {}, late, not_done={"slow": "FAILED"}),
        "an array of jobs": Case(flow("array"), {"xs": [3, 1, 2]}, [3, 1, 2]),
    }


JOB_CASES = ("jobs", "retries of jobs", "a failed job", "a late job", "an array of jobs")


def inputs_of(case: Case, folder: Path) -> dict[str, Any]:
    place = str(folder / f"place-{len(list(folder.glob('place-*')))}")
    Path(place).touch()
    return {name: place if value == PLACE else value for name, value in case.inputs.items()}


def done(execution: Execution, flow: Workflow[..., Any], journal: Journal, executor: Executor) -> Done:
    outcome = execution.outcome()
    view = load_view(journal, journal.row(execution.id))
    result = flow.decode_outputs(outcome.outputs, executor.store) if outcome.outputs else None
    states = {id: node.state.value for id, node in view.state.nodes.items()}
    return Done(flow, outcome, result, attempts_of(view.events), states, owners_of(view.events))


def attempts_of(events: Sequence[Event]) -> Mapping[str, int]:
    return Counter(event.node for event in events if isinstance(event, AttemptStarted))


def owners_of(events: Sequence[Event]) -> frozenset[str]:
    return frozenset(event.owner for event in events if isinstance(event, Adopted))


@pytest.fixture(scope="module")
def service() -> Iterator[JobService]:
    with JobService() as running:
        yield running


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgresql"])
def everything(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, service: JobService
) -> dict[str, Done]:
    """All cases, queued at once, and taken up by two executors of one store."""
    folder = tmp_path_factory.mktemp("everywhere")
    kind = request.param
    url = request.getfixturevalue("postgres_server").make_database() if kind == "postgresql" else kind
    shared: str | Journal = MemoryJournal() if kind == "memory" else url
    plugins = {"jobservice": JobServicePlugin(poll=PollPolicy(first_s=0.05, fraction=0.2, max_s=0.5))}
    cases = {**CASES, **job_cases(folder, service.url)}
    ended: queue.SimpleQueue[Execution] = queue.SimpleQueue()
    with ExitStack() as stack:
        first, second = (
            Executor(folder / "home", journal=shared, workers=2, plugins=plugins) for _ in range(2)
        )
        for executor in (first, second):
            # Not closed: a run that hangs is one red test, and must not be waited for.
            stack.callback(executor.drain, 0.0)
        names = {}
        for name, case in cases.items():
            wires = case.flow.encode_inputs(inputs_of(case, folder), first.store)
            names[first.enqueue(case.flow, wires)] = name
        for executor in (first, second):
            executor.adopt_abandoned(
                max_runs=4, taken=lambda it: it.future.add_done_callback(lambda _: ended.put(it))
            )
        found: dict[str, Done] = {}
        deadline = time.monotonic() + PATIENCE_S
        with suppress(queue.Empty):
            while len(found) < len(names):
                execution = ended.get(timeout=max(0.0, deadline - time.monotonic()))
                flow = cases[names[execution.id]].flow
                found[names[execution.id]] = done(execution, flow, first.journal, first)
        return found


def expected_attempts(case: Case, found: Done) -> dict[str, int]:
    """One for each node and item that was tried, where the case says nothing else."""
    usual = dict.fromkeys(found.attempts, 1) | dict.fromkeys(case.attempts, 0)
    return {node: count for node, count in {**usual, **case.attempts}.items() if count}


def check(case: Case, found: Done | None) -> None:
    assert found is not None, "it did not end"
    match case.result:
        case Failure():
            error = found.outcome.error
            assert error is not None
            assert found.outcome.phase.value == "FAILED"
            assert (found.outcome.node, error.code) == (case.result.node, case.result.code)
            assert case.result.message in error.message
        case expected:
            assert found.outcome.phase.value == "SUCCEEDED", found.outcome.error
            assert found.result == expected
    assert found.attempts == expected_attempts(case, found)
    assert found.states == {**dict.fromkeys(found.states, "SUCCEEDED"), **case.not_done}
    assert len(found.owners) == 1


@pytest.mark.parametrize("name", CASES)
def test_a_run_does_the_same_everywhere(name: str, everything: dict[str, Done]) -> None:
    check(CASES[name], everything.get(name))


@pytest.mark.parametrize("name", JOB_CASES)
def test_jobs_do_the_same_everywhere(
    name: str, everything: dict[str, Done], service: JobService, tmp_path: Path
) -> None:
    check(job_cases(tmp_path, service.url)[name], everything.get(name))


def test_both_executors_took_part(everything: dict[str, Done]) -> None:
    assert len(frozenset().union(*(found.owners for found in everything.values()))) == 2


PLAIN = {
    name: case
    for name, case in CASES.items()
    if not (isinstance(case.result, Failure) and case.result.raises is None)
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_call_does_the_same(name: str, tmp_path: Path) -> None:
    case = PLAIN[name]
    expected = case.result if case.plain is None else case.plain
    inputs = inputs_of(case, tmp_path)
    if isinstance(expected, Failure):
        assert expected.raises is not None
        with pytest.raises(expected.raises) as caught:
            case.flow(**inputs)
        assert expected.message in str(caught.value)
    else:
        assert case.flow(**inputs) == expected


def test_a_failed_run_names_the_node_and_shows_the_authors_traceback(tmp_path: Path) -> None:
    with Executor(tmp_path) as executor, pytest.raises(ExecutionFailedError) as caught:
        executor.submit(CASES["a failure"].flow, n=4).result(PATIENCE_S)
    error = caught.value
    assert error.outcome.node == "never"
    assert "failed at node `never`: ValueError: n is 4" in error.message
    assert 'raise ValueError(f"n is {n}")' in error.message
    assert "hardpoint/executor" not in error.message
