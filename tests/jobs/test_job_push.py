"""Services that tell by themselves: polls become rare, and nothing depends on the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hardpoint.executor.engine.steps import Answer
from hardpoint.executor.journal.events import AttemptSucceeded, JobMoved, RunPhase
from hardpoint.plugin_api import (
    ErrorInfo,
    ErrorKind,
    Phase,
    Status,
    StreamClosedError,
    TransientError,
)

if TYPE_CHECKING:
    from tests.jobs.conftest import Lab

RUNNING = Status(Phase.RUNNING)
DONE = Status(Phase.SUCCEEDED, outputs={"result": 7})


def test_a_stream_that_delivers_makes_polls_rare(lab: Lab) -> None:
    run = lab.submit(lab.spec(3600.0, "push"))
    lab.turn_for(0.2)
    (sink,) = lab.service.sinks
    sink("j1", RUNNING)
    lab.turn_for(3600.0)
    assert not run.future.done()
    before = lab.service.count("poll")
    assert before <= 3600 / 60 + 3
    sink("j1", DONE)
    assert lab.finish(run, limit_s=0.1) is RunPhase.SUCCEEDED
    assert lab.service.count("poll") == before


def test_unknown_late_and_repeated_statuses_do_no_harm(lab: Lab) -> None:
    lab.service.tells_outputs = False
    run = lab.submit(lab.spec(20.0, "push"))
    lab.turn_for(0.2)
    (sink,) = lab.service.sinks
    for status in (RUNNING, RUNNING, Status(Phase.QUEUED), Status(Phase.ABSENT)):
        sink("j1", status)
        sink("never-heard-of", status)
    lab.turn_for(1.0)
    done = Status(Phase.SUCCEEDED)
    for status in (done, RUNNING, done, Status(Phase.FAILED)):
        sink("j1", status)
    assert lab.finish(run, limit_s=2.0) is RunPhase.SUCCEEDED
    assert [event.phase for event in lab.events(run, JobMoved)] == [Phase.RUNNING, Phase.SUCCEEDED]
    assert len(lab.events(run, AttemptSucceeded)) == 1


def test_a_stream_that_falls_silent_is_found_out(lab: Lab) -> None:
    run = lab.submit(lab.spec(200.0, "push"), lab.spec(300.0, "push"))
    lab.turn_for(0.2)
    (sink,) = lab.service.sinks
    sink("j1", RUNNING)
    sink("j2", RUNNING)
    lab.turn_until(lambda: len(lab.events(run, AttemptSucceeded)) == 1)
    assert lab.time.at_s <= 200.0 + 61.0
    # Found out by the first: the second is noticed at the usual pace.
    lab.finish(run)
    assert lab.time.at_s <= 300.0 + 31.0


def test_a_stream_that_ends_is_started_again_and_polls_return(lab: Lab) -> None:
    run = lab.submit(lab.spec(100.0, "push"))
    lab.turn_for(0.2)
    lab.service.sinks[0]("j1", RUNNING)
    lab.turn_for(10.0)
    polls = lab.service.count("poll")
    lab.steps.post(lambda: lab.steps.streams_end(Answer()))
    lab.turn_for(5.0)
    assert lab.service.count("poll") > polls
    assert len(lab.service.sinks) == 2
    lab.service.sinks[1]("j1", DONE)
    assert lab.finish(run, limit_s=0.1) is RunPhase.SUCCEEDED


def test_a_stream_that_cannot_be_opened_is_tried_ever_more_slowly(lab: Lab) -> None:
    lab.service.fault = lambda verb: TransientError("refused") if verb == "watch" else None
    run = lab.submit(lab.spec(3000.0, "push"))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert 3000 / 60 <= lab.service.count("watch") <= 3000 / 30 + 10


def test_a_failure_that_is_told_carries_its_error(lab: Lab) -> None:
    run = lab.submit(lab.spec(100.0, "push"))
    lab.turn_for(0.2)
    lab.service.sinks[0]("j1", Status(Phase.FAILED, "x", ErrorInfo("Gone", "x", ErrorKind.SYSTEM)))
    assert lab.finish(run, limit_s=1.0) is RunPhase.FAILED
    assert run.state.error is not None
    assert run.state.error.code == "Gone"


def test_a_stream_without_jobs_is_closed_after_a_while(lab: Lab) -> None:
    run = lab.submit(lab.spec(1.0, "push"))
    lab.turn_for(0.2)
    (sink,) = lab.service.sinks
    lab.finish(run)
    sink("other", RUNNING)
    lab.turn_for(30.0)
    again = lab.submit(lab.spec(1.0, "push"))
    lab.finish(again)
    assert len(lab.service.sinks) == 1
    sink("other", RUNNING)
    lab.turn_for(61.0)
    sink("other", RUNNING)
    lab.turn_for(1.0)
    with pytest.raises(StreamClosedError, match="Nobody listens to this stream any more"):
        sink("other", RUNNING)
