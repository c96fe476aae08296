"""What a job used is journaled with the end of its attempt: once, whatever the end, whoever was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hardpoint.executor.journal.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptSucceeded,
    JobMoved,
    RunPhase,
)
from hardpoint.plugin_api import ErrorInfo, ErrorKind, Phase, Retry, Status, TransientError

if TYPE_CHECKING:
    from tests.jobs.conftest import Lab

    from hardpoint.executor.engine.run import Run

USED = {"bytes_scanned": 4096.0, "cost_usd": 0.25}
DONE = Status(Phase.SUCCEEDED, outputs={"result": 7}, usage=USED)


@pytest.fixture
def telling(lab: Lab) -> Lab:
    """A lab whose service tells what jobs used, and their outputs only where they are asked for."""
    lab.service.tells_outputs = False
    lab.service.ends = lambda request: Status(Phase.SUCCEEDED, usage=USED)
    lab.service.cancelled = Status(Phase.CANCELLED, usage=USED)
    return lab


def told(lab: Lab, run: Run) -> list[Any]:
    """The usage of each attempt that has ended."""
    ends = lab.events(run, AttemptSucceeded, AttemptFailed, AttemptCancelled)
    return [event.usage for event in ends]


def test_the_usage_is_journaled_with_the_outputs(telling: Lab) -> None:
    run = telling.submit(telling.spec(), telling.spec(type="search"))
    assert telling.finish(run) is RunPhase.SUCCEEDED
    assert told(telling, run) == [USED, USED]


def test_outputs_that_come_with_the_status_bring_the_usage_too(telling: Lab) -> None:
    telling.service.ends = lambda request: DONE
    run = telling.submit(telling.spec())
    telling.finish(run)
    assert told(telling, run) == [USED]
    assert telling.service.count("outputs") == 0


def test_what_a_stream_tells_counts_as_what_a_poll_brings(telling: Lab) -> None:
    run = telling.submit(telling.spec(1000.0, type="push"))
    telling.turn_until(lambda: bool(telling.service.sinks) and telling.node(run).job is not None)
    job = telling.node(run).job
    assert job is not None
    telling.service.sinks[0](job.id, DONE)
    telling.steps.wake()
    telling.finish(run, limit_s=100.0)
    assert told(telling, run) == [USED]


def test_an_engine_killed_before_the_outputs_are_read_leaves_the_usage(telling: Lab) -> None:
    """The service is not asked for the status again: what it told must be in the journal by then."""
    telling.service.fault = lambda verb: TransientError("down") if verb == "outputs" else None
    run = telling.submit(telling.spec())
    telling.turn_until(lambda: telling.node(run).phase is Phase.SUCCEEDED)
    telling.turn_for(1.0)
    polls = telling.service.count("poll")
    telling.service.fault = lambda verb: None
    telling.begin("second")
    again = telling.take_over(run)
    assert telling.finish(again) is RunPhase.SUCCEEDED
    assert told(telling, again) == [USED]
    assert telling.service.count("poll") == polls


def test_an_engine_killed_while_the_job_runs_leaves_the_next_one_to_hear_of_it(telling: Lab) -> None:
    run = telling.submit(telling.spec(100.0))
    telling.turn_for(10.0)
    telling.begin("second")
    again = telling.take_over(run)
    assert telling.finish(again) is RunPhase.SUCCEEDED
    assert told(telling, again) == [USED]


def test_attempts_that_failed_count_each_for_itself(telling: Lab) -> None:
    error = ErrorInfo("Lost", "the machine was taken away", ErrorKind.TRANSIENT)
    lost = Status(Phase.FAILED, error=error, usage={"slot_ms": 5.0})
    silent = Status(Phase.FAILED, error=error)
    ends = iter([lost, silent, Status(Phase.SUCCEEDED, usage=USED)])
    telling.service.ends = lambda request: next(ends)
    run = telling.submit(telling.spec(retry=Retry(attempts=3)))
    assert telling.finish(run) is RunPhase.SUCCEEDED
    assert told(telling, run) == [{"slot_ms": 5.0}, None, USED]


def test_a_job_that_was_cancelled_has_used_something_too(telling: Lab) -> None:
    run = telling.submit(telling.spec(1000.0))
    telling.turn_for(10.0)
    telling.engine.abort(run.id, "enough")
    assert telling.finish(run) is RunPhase.ABORTED
    assert told(telling, run) == [USED]


@pytest.mark.parametrize("limit", ["timeout_s", "deadline_s"])
def test_a_job_over_its_limit_has_used_something_too(telling: Lab, limit: str) -> None:
    limits: dict[str, Any] = {limit: 20.0}
    run = telling.submit(telling.spec(1000.0, **limits))
    assert telling.finish(run) is RunPhase.FAILED
    assert told(telling, run) == [USED]


def test_a_wrong_figure_is_left_out_and_the_job_counts(telling: Lab) -> None:
    usage: dict[str, Any] = {"bytes": 7, "cost_usd": float("nan"), "slot_ms": -1.0, "why": "much"}
    telling.service.ends = lambda request: Status(Phase.SUCCEEDED, usage=usage)
    run = telling.submit(telling.spec())
    assert telling.finish(run) is RunPhase.SUCCEEDED
    assert told(telling, run) == [{"bytes": 7.0}]


def test_a_service_that_tells_nothing_leaves_nothing(lab: Lab) -> None:
    run = lab.submit(lab.spec())
    lab.finish(run)
    assert told(lab, run) == [None]
    assert [event.usage for event in lab.events(run, JobMoved)] == [None] * len(lab.events(run, JobMoved))
