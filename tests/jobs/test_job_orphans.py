"""Jobs that are nobody's are found and ended; jobs that are somebody else's are left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardpoint.executor.journal.events import (
    AttemptFailed,
    AttemptSucceeded,
    Budget,
    CreateUnsettled,
    JobCreated,
    RunPhase,
)
from hardpoint.plugin_api import ErrorInfo, ErrorKind, TransientError, UserError

if TYPE_CHECKING:
    from tests.jobs.conftest import Lab

from tests.jobs.conftest import LostReply


def test_of_two_jobs_of_one_token_the_oldest_survives(lab: Lab) -> None:
    lab.service.fault = lambda verb: (
        LostReply("cut") if verb == "create" and lab.service.count("create") == 1 else None
    )
    hide_first_job(lab)
    run = lab.submit(lab.spec(30.0, "search"))
    lab.turn_until(lambda: len(lab.service.jobs) == 2)
    assert lab.service.count("find") == 1
    assert lab.finish(run) is RunPhase.SUCCEEDED
    (created,) = lab.events(run, JobCreated)
    assert lab.service.jobs[created.job.id].end.phase.name == "SUCCEEDED"
    assert not lab.service.running
    assert lab.engine._jobs is not None
    assert lab.engine._jobs.sweep.swept == 1


def hide_first_job(lab: Lab) -> None:
    """The first listing does not show it yet."""
    real = lab.service.of_token
    lab.service.of_token = lambda token: (  # type: ignore[method-assign]
        [] if lab.service.count("find") == 1 and not lab.service.count("duplicates") else real(token)
    )


def test_an_attempt_whose_create_was_repeated_ends_after_the_look_for_duplicates(lab: Lab) -> None:
    lab.service.fault = lambda verb: (
        LostReply("cut") if verb == "create" and lab.service.count("create") == 1 else None
    )
    hide_first_job(lab)
    run = lab.submit(lab.spec(0.1, "search"))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    looked = next(at_s for verb, at_s, _ in lab.service.calls if verb == "duplicates")
    (done,) = lab.events(run, AttemptSucceeded)
    assert done.at - (lab.time.now() - lab.time.at_s) >= looked


def test_a_duplicate_that_cannot_be_cancelled_at_once_is_cancelled_in_the_end(lab: Lab) -> None:
    run = lab.submit(lab.spec(50.0, "search"))
    lab.turn_until(lambda: len(lab.service.jobs) == 1)
    lab.service.start(lab.service.requests[0])  # as a proxy that repeats a request
    lab.service.cancel_works = False
    lab.turn_for(20.0)
    assert lab.service.count("cancel") >= 3
    lab.service.cancel_works = True
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert lab.service.count("cancel") <= 8
    assert not lab.service.running


def test_a_refusal_after_a_lost_answer_does_not_hide_the_job_that_was_made(lab: Lab) -> None:
    faults = iter([LostReply("cut"), UserError("the key was used with another body")])
    lab.service.fault = lambda verb: next(faults, None) if verb == "create" else None
    run = lab.submit(lab.spec(5.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert len(lab.service.jobs) == 1
    assert [event.error.code for event in lab.events(run, CreateUnsettled)] == ["LostReply", "UserError"]


def test_a_plugin_that_breaks_down_after_it_made_the_job_does_not_lose_it(lab: Lab) -> None:
    def breaks(verb: str) -> None:
        if verb == "create" and not lab.service.jobs:
            lab.service.start(lab.service.requests[-1])
            raise KeyError("id")

    lab.service.fault = breaks
    run = lab.submit(lab.spec(5.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert len(lab.service.jobs) == 1


def test_a_plugin_that_breaks_down_before_it_made_a_job_fails_the_node_with_its_error(lab: Lab) -> None:
    def breaks(verb: str) -> None:
        if verb == "create":
            raise KeyError("id")

    lab.service.fault = breaks
    run = lab.submit(lab.spec(5.0))
    assert lab.finish(run) is RunPhase.FAILED
    (failed,) = lab.events(run, AttemptFailed)
    assert failed.error.code == "KeyError"
    assert lab.service.count("find") == 1


def test_a_clean_refusal_costs_no_second_call(lab: Lab) -> None:
    lab.service.fault = lambda verb: UserError("no such table") if verb == "create" else None
    run = lab.submit(lab.spec(5.0))
    assert lab.finish(run) is RunPhase.FAILED
    assert [verb for verb, _, _ in lab.service.calls] == ["prepare", "create"]


def test_an_earlier_attempt_that_ended_unsettled_is_looked_for_after_adoption(lab: Lab) -> None:
    run = lab.submit(lab.spec(1000.0))
    lab.service.fault = lambda verb: LostReply("cut") if verb == "create" else None
    lab.turn_until(lambda: bool(lab.events(run, CreateUnsettled)))
    # As an engine wrote it that did not look.
    now = lab.time.now()
    error = ErrorInfo("PluginBroke", "no", ErrorKind.TRANSIENT)
    row = lab.journal.row(run.id)
    from hardpoint.executor.journal.protocol import Append

    seq = len(lab.events(run)) + 1
    ended = AttemptFailed(now, "n0", 1, error, Budget.SYSTEM, now)
    lab.journal.commit([Append(run.id, row.fence, seq, [ended])], durable=True)
    lab.service.fault = lambda verb: None
    lab.begin("second")
    again = lab.take_over(run)
    lab.turn_until(lambda: lab.node(again).attempt == 2 and len(lab.service.jobs) == 2)
    lab.engine._job_lane().adopted(again, lab.events(again)[:6])
    lab.turn_for(10.0)
    assert lab.service.running == ["j2"]
    assert lab.finish(again) is RunPhase.SUCCEEDED


def test_a_job_of_a_run_that_another_engine_adopted_is_left_alone(lab: Lab) -> None:
    run = lab.submit(lab.spec(300.0, timeout_s=100.0))
    lab.turn_for(10.0)
    first = lab.engine
    row = lab.journal.claim(run.id, "rival", lab.time.now() + 1000.0)
    assert row is not None
    calls = len(lab.service.calls)
    lab.turn_for(40.0)  # the next renewal notices
    assert run.future.done()
    assert not first.runs
    lab.turn_for(500.0)
    assert lab.service.count("cancel") == 0
    assert len(lab.service.calls) <= calls + 8
    assert lab.service.jobs["j1"].ends_s >= 300.0


def test_an_engine_that_was_killed_leaves_a_job_that_the_next_one_finishes(lab: Lab) -> None:
    lab.service.fault = lambda verb: (
        LostReply("cut") if verb == "create" and lab.service.count("create") == 1 else None
    )
    run = lab.submit(lab.spec(100.0))
    lab.turn_until(lambda: bool(lab.service.jobs))
    lab.service.fault = lambda verb: TransientError("down") if lab.time.at_s < 300 else None
    lab.begin("second")
    again = lab.take_over(run)
    assert lab.finish(again) is RunPhase.SUCCEEDED
    assert len(lab.service.jobs) == 1
    assert len({request.token for request in lab.service.requests}) == 1
