"""Looks for duplicates: many in one call, and each of them answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardpoint.executor.engine.looks import GATHER_S
from hardpoint.executor.journal.events import AttemptFailed, JobMoved, RunPhase
from hardpoint.executor.journal.protocol import Append
from hardpoint.plugin_api import Phase, Status, TransientError, UserError

if TYPE_CHECKING:
    from tests.jobs.conftest import Lab

from tests.jobs.conftest import LostReply


def test_jobs_of_some_seconds_are_looked_for_in_one_call(lab: Lab) -> None:
    for _ in range(3):
        lab.submit(lab.spec(60.0, "search"))
        lab.turn_for(GATHER_S / 4)
    lab.turn_for(GATHER_S + 5.0)
    assert len(lab.service.jobs) == 3
    assert lab.service.count("duplicates") == 1


def test_a_later_job_is_looked_for_once_its_own_listings_have_settled(lab: Lab) -> None:
    lab.submit(lab.spec(60.0, "search"))
    lab.turn_until(lambda: len(lab.service.jobs) == 1)
    lab.turn_for(2.0)  # its look is due in a second, that of the next one is not
    lab.submit(lab.spec(60.0, "search"))
    lab.turn_for(GATHER_S + 0.5)
    assert lab.service.count("duplicates") == 1
    lab.service.start(lab.service.requests[-1])  # as a proxy that repeats a request
    lab.turn_for(GATHER_S + 5.0)
    assert lab.service.count("duplicates") == 2
    assert len(lab.service.running) == 2


def test_one_look_that_is_refused_does_not_hide_the_duplicates_of_others(lab: Lab) -> None:
    for _ in range(2):
        lab.submit(lab.spec(60.0, "search"))
    lab.turn_until(lambda: len(lab.service.jobs) == 2)
    lab.service.start(lab.service.requests[-1])
    looks = iter([UserError("too long")])
    lab.service.fault = lambda verb: next(looks, None) if verb == "duplicates" else None
    lab.turn_for(GATHER_S + 9.0)
    assert lab.service.count("duplicates") == 3
    assert len(lab.service.running) == 2


def test_looks_of_a_service_that_often_fails_get_through_in_smaller_batches(lab: Lab) -> None:
    for _ in range(16):
        lab.submit(lab.spec(600.0, "search"))
    lab.turn_until(lambda: len(lab.service.jobs) == 16)
    lab.service.start(lab.service.requests[-1])
    # As a handler that needs a call for each, of which some fail.
    lab.service.fault = lambda verb: (
        TransientError("cut") if verb == "duplicates" and len(lab.service.kept) > 2 else None
    )
    lab.turn_for(120.0)
    assert len(lab.service.running) == 16


def test_an_attempt_that_waits_for_its_look_does_not_wait_for_those_of_others(lab: Lab) -> None:
    for _ in range(4):
        lab.submit(lab.spec(600.0, "search"))
    lab.turn_until(lambda: len(lab.service.jobs) == 4)
    creates = lab.service.count("create")
    lab.service.fault = lambda verb: (
        LostReply("cut")
        if (verb == "create" and lab.service.count("create") == creates + 1)
        or (verb == "duplicates" and len(lab.service.kept) > 1)
        else None
    )
    run = lab.submit(lab.spec(0.1, "search"))
    lab.turn_for(20.0)
    assert run.state.phase is RunPhase.SUCCEEDED


def test_an_end_that_was_journaled_before_a_crash_is_carried_out_after_it(lab: Lab) -> None:
    run = lab.submit(lab.spec(50.0))
    lab.turn_until(lambda: bool(lab.events(run, JobMoved)))
    # As an engine wrote it that died before it wrote the end of the attempt.
    row = lab.journal.row(run.id)
    moved = JobMoved(lab.time.now(), "n0", 1, Phase.FAILED, "no such table")
    lab.journal.commit([Append(run.id, row.fence, len(lab.events(run)) + 1, [moved])], durable=True)
    job = lab.service.jobs["j1"]
    job.ends_s, job.end = lab.time.at_s, Status(Phase.FAILED, "no such table")
    lab.begin("second")
    again = lab.take_over(run)
    lab.turn_for(60.0)
    assert again.state.phase is RunPhase.FAILED
    (ended,) = lab.events(again, AttemptFailed)
    assert ended.error.message == "no such table"
