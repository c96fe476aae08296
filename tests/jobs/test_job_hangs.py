"""Calls into a plugin that do not return: nothing freezes, and nothing is started twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardpoint.executor.journal.events import CreateUnsettled, JobCreated, RunPhase
from hardpoint.plugin_api import ErrorInfo, ErrorKind, Phase, Status

if TYPE_CHECKING:
    from tests.jobs.conftest import Lab

from tests.jobs.conftest import HangError


def test_a_poll_that_hangs_is_given_up_and_asked_again(lab: Lab) -> None:
    lab.service.fault = lambda verb: HangError() if verb == "poll" and lab.time.at_s < 30 else None
    run = lab.submit(lab.spec(40.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert lab.steps.given_up
    assert lab.time.at_s <= 40.0 + 60.0 + 10.0


def test_what_a_given_up_poll_brings_is_dropped(lab: Lab) -> None:
    lab.service.fault = lambda verb: (
        HangError() if verb == "poll" and lab.service.count("poll") == 1 else None
    )
    run = lab.submit(lab.spec(200.0))
    lab.turn_until(lambda: lab.steps.given_up == 1)
    before = len(lab.events(run))
    lab.steps.come_back()
    lab.turn_for(1.0)
    assert len(lab.events(run)) <= before + 1
    assert lab.finish(run) is RunPhase.SUCCEEDED


def test_a_create_that_hangs_is_settled_under_the_same_token(lab: Lab) -> None:
    lab.service.fault = lambda verb: (
        HangError() if verb == "create" and lab.service.count("create") == 1 else None
    )
    run = lab.submit(lab.spec(5.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert len({request.token for request in lab.service.requests}) == 1
    assert len(lab.service.jobs) == 1
    (unsettled,) = lab.events(run, CreateUnsettled)
    assert unsettled.error.message == "A call to task type `job` did not answer in 60 s"
    lab.steps.come_back()
    lab.turn_for(60.0)
    assert len(lab.service.jobs) == 1
    assert lab.service.count("cancel") == 0


def test_a_create_that_returns_late_is_adopted(lab: Lab) -> None:
    lab.service.fault = lambda verb: HangError() if verb == "create" and lab.time.at_s < 200 else None
    run = lab.submit(lab.spec(5.0))
    lab.turn_until(lambda: lab.steps.given_up == 1)
    lab.service.fault = lambda verb: None
    lab.steps.come_back()
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert len(lab.events(run, JobCreated)) == 1
    assert len(lab.service.jobs) == 1


def test_a_create_that_makes_a_job_after_its_attempt_was_cancelled_is_undone(lab: Lab) -> None:
    lab.service.fault = lambda verb: (
        HangError() if verb == "create" and lab.service.count("create") == 1 else None
    )
    run = lab.submit(lab.spec(10_000.0))
    lab.turn_for(1.0)
    lab.engine.abort(run.id, "enough")
    assert lab.finish(run) is RunPhase.ABORTED
    assert not lab.service.jobs
    lab.steps.come_back()
    lab.turn_until(lambda: bool(lab.service.jobs))
    lab.turn_until(lambda: not lab.service.running, limit_s=60.0)
    assert lab.service.count("create") == 2  # the call that hung, when it went on


def test_a_task_type_whose_calls_all_hang_says_so_and_others_go_on(lab: Lab) -> None:
    lab.service.fault = lambda verb: (
        HangError()
        if verb == "create" and lab.service.requests[-1].spec.type == "search" and lab.time.at_s < 3000
        else None
    )
    stuck = lab.submit(*(lab.spec(1.0, "search") for _ in range(12)))
    lab.turn_until(lambda: lab.steps.given_up >= 8)
    other = lab.submit(lab.spec(1.0))
    assert lab.finish(other, limit_s=5.0) is RunPhase.SUCCEEDED
    lab.turn_for(200.0)
    hints = {event.error.message for event in lab.events(stuck, CreateUnsettled)}
    assert "12 calls to task type `search` hang, each for more than 60 s" in hints
    creates = lab.service.count("create")
    lab.turn_for(600.0)
    assert lab.service.count("create") == creates
    lab.time.at_s = max(lab.time.at_s, 3000.0)
    lab.steps.come_back()
    assert lab.finish(stuck) is RunPhase.SUCCEEDED
    lab.turn_for(200.0)
    assert not lab.service.running


def test_a_create_of_an_attempt_that_is_over_neither_holds_up_the_next_nor_leaves_a_job(lab: Lab) -> None:
    busy = Status(Phase.FAILED, "quota", ErrorInfo("Quota", "quota", ErrorKind.THROTTLED))
    lab.service.ends = lambda request: busy if request.attempt == 1 else Status(Phase.SUCCEEDED)
    lab.service.fault = lambda verb: (
        HangError() if verb == "create" and lab.service.count("create") <= 2 else None
    )
    run = lab.submit(lab.spec(5.0, "search"))
    lab.turn_until(lambda: len(lab.steps.hanging) == 2)
    lab.steps.come_back(1)
    assert lab.finish(run, limit_s=40.0) is RunPhase.SUCCEEDED
    assert lab.node(run).attempt == 2
    assert len(lab.service.jobs) == 2
    lab.service.start(lab.service.requests[1])  # what the call that still hangs has done
    lab.steps.come_back()
    lab.turn_until(lambda: not lab.service.running, limit_s=60.0)
