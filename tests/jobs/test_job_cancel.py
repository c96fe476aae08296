"""A cancel counts when the service confirms it, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardpoint.executor.journal.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptSucceeded,
    Budget,
    CancelRequested,
    RunPhase,
)
from hardpoint.plugin_api import (
    ErrorInfo,
    ErrorKind,
    Phase,
    PreemptedError,
    Status,
    ThrottledError,
    TransientError,
)

if TYPE_CHECKING:
    from tests.jobs.conftest import Lab


def test_a_cancel_that_has_no_effect_is_repeated_until_it_has(lab: Lab) -> None:
    lab.service.cancel_works = False
    run = lab.submit(lab.spec(100_000.0))
    lab.turn_for(10.0)
    lab.engine.abort(run.id, "enough")
    lab.turn_for(1000.0)
    assert not run.future.done()
    assert not lab.events(run, AttemptCancelled)
    asked = lab.service.count("cancel")
    assert 15 <= asked <= 60
    lab.service.cancel_works = True
    assert lab.finish(run, limit_s=61.0) is RunPhase.ABORTED
    assert not lab.service.running
    assert len(lab.events(run, CancelRequested)) == 1


def test_a_cancel_outlasts_an_outage_of_the_service(lab: Lab) -> None:
    run = lab.submit(lab.spec(100_000.0))
    lab.turn_for(10.0)
    down = TransientError("connection refused")
    lab.service.fault = lambda verb: down if lab.time.at_s < 20_000.0 else None
    lab.engine.abort(run.id, "enough")
    lab.turn_until(lambda: lab.time.at_s >= 20_000.0)
    assert not lab.events(run, AttemptCancelled)
    assert lab.finish(run, limit_s=125.0) is RunPhase.ABORTED
    assert not lab.service.running


def test_a_cancel_waits_as_long_as_the_service_asks(lab: Lab) -> None:
    run = lab.submit(lab.spec(100_000.0))
    lab.turn_for(10.0)
    busy = ThrottledError("slow down", retry_after_s=300.0)
    lab.service.fault = lambda verb: busy if verb == "cancel" and lab.service.count("cancel") == 1 else None
    lab.engine.abort(run.id, "enough")
    lab.finish(run)
    first, second = (at_s for verb, at_s, _ in lab.service.calls if verb == "cancel")
    assert 300.0 <= second - first <= 301.0


def test_an_abort_without_an_answer_to_the_create_looks_for_the_job_and_ends_it(lab: Lab) -> None:
    from tests.jobs.conftest import LostReply

    lab.service.fault = lambda verb: LostReply("cut") if verb == "create" else None
    run = lab.submit(lab.spec(100_000.0))
    lab.turn_until(lambda: bool(lab.service.jobs))
    lab.engine.abort(run.id, "enough")
    assert lab.finish(run, limit_s=30.0) is RunPhase.ABORTED
    assert (len(lab.service.jobs), lab.service.running) == (1, [])


def test_an_abort_before_the_create_confirms_that_there_is_no_job(lab: Lab) -> None:
    lab.service.fault = lambda verb: TransientError("down") if verb in ("create", "find") else None
    run = lab.submit(lab.spec(100_000.0))
    lab.turn_for(5.0)
    lab.engine.abort(run.id, "enough")
    lab.turn_for(100.0)
    assert not lab.events(run, AttemptCancelled)
    lab.service.fault = lambda verb: None
    assert lab.finish(run, limit_s=31.0) is RunPhase.ABORTED
    assert not lab.service.jobs


def test_a_job_that_succeeded_before_its_timeout_reached_it_has_succeeded(lab: Lab) -> None:
    lab.service.tells_outputs = False
    run = lab.submit(lab.spec(100.5, timeout_s=100.0))
    lab.service.cancel_works = False
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert len(lab.events(run, CancelRequested)) == 1
    assert len(lab.events(run, AttemptSucceeded)) == 1


def test_an_aborted_run_keeps_the_outputs_of_a_job_that_succeeded_all_the_same(lab: Lab) -> None:
    lab.service.cancel_works = False
    run = lab.submit(lab.spec(50.0), lab.spec(10.0))
    lab.turn_for(9.0)
    lab.engine.abort(run.id, "enough")
    lab.turn_for(20.0)
    lab.service.cancel_works = True
    assert lab.finish(run) is RunPhase.ABORTED
    assert lab.node(run, "n1").outputs == {"result": 7}
    assert [event.node for event in lab.events(run, AttemptCancelled)] == ["n0"]


def test_a_service_that_calls_a_cancelled_job_failed_has_confirmed_the_cancel(lab: Lab) -> None:
    run = lab.submit(lab.spec(100.0, timeout_s=20.0))
    lab.turn_for(19.0)
    job = lab.service.jobs["j1"]
    job.ends_s, job.end = 22.0, Status(Phase.FAILED, "Terminated", ErrorInfo("JobFailed", "Terminated"))
    lab.service.cancel_works = False
    assert lab.finish(run) is RunPhase.FAILED
    (failed,) = lab.events(run, AttemptFailed)
    assert failed.error.code == "TimeoutExpired"
    assert failed.error.message == "Attempt 1 of node `n0` ran longer than 20 s and was cancelled"


def test_a_timeout_is_the_authors_error_and_may_be_tried_again(lab: Lab) -> None:
    from hardpoint.plugin_api import Retry

    run = lab.submit(lab.spec(100.0, timeout_s=20.0, retry=Retry(2)))
    assert lab.finish(run) is RunPhase.FAILED
    assert [event.error.kind for event in lab.events(run, AttemptFailed)] == [ErrorKind.USER] * 2
    assert len(lab.service.jobs) == 2
    assert not lab.service.running


def test_a_job_that_was_lost_just_before_its_timeout_is_the_platforms_loss(lab: Lab) -> None:
    run = lab.submit(lab.spec(100.0, timeout_s=20.0))
    lab.turn_for(19.0)
    lost = Status(Phase.FAILED, "spot", PreemptedError("the spot machine was taken away").info())
    job = lab.service.jobs["j1"]
    job.ends_s, job.end = 19.5, lost
    down = TransientError("connection refused")
    lab.service.fault = lambda verb: down if verb == "poll" and lab.time.at_s < 21.0 else None
    lab.service.ends = lambda request: Status(Phase.SUCCEEDED)
    lab.turn_until(lambda: bool(lab.events(run, AttemptFailed)))
    (failed,) = lab.events(run, AttemptFailed)
    assert (failed.error.code, failed.budget) == ("PreemptedError", Budget.SYSTEM)
    assert failed.retry_at is not None


def test_a_job_that_was_gone_before_its_timeout_is_the_platforms_loss(lab: Lab) -> None:
    run = lab.submit(lab.spec(100.0, timeout_s=20.0))
    lab.turn_for(18.5)
    lab.service.jobs["gone"] = lab.service.jobs.pop("j1")
    lab.turn_until(lambda: bool(lab.events(run, AttemptFailed)))
    (failed,) = lab.events(run, AttemptFailed)
    assert (failed.error.code, failed.budget) == ("JobAbsent", Budget.SYSTEM)


def test_an_abort_of_a_job_that_is_gone_is_confirmed(lab: Lab) -> None:
    run = lab.submit(lab.spec(100.0))
    lab.turn_for(10.0)
    lab.service.jobs.clear()
    lab.service.cancel_works = False
    lab.turn_for(1.0)
    lab.engine.abort(run.id, "enough")
    assert lab.finish(run, limit_s=10.0) is RunPhase.ABORTED
    assert len(lab.events(run, AttemptCancelled)) == 1
