"""Jobs that are nobody's are found and ended; jobs that are somebody else's are left alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hardpoint.executor.engine.job_create import BLIND_LOOKS
from hardpoint.executor.journal.events import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    CreateUnsettled,
    JobCreated,
    RunPhase,
)
from hardpoint.executor.journal.protocol import Append
from hardpoint.plugin_api import (
    CreateRequest,
    ErrorInfo,
    ErrorKind,
    HardpointError,
    ResourceClaim,
    TransientError,
    UserError,
)

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
    assert lab.engine._lanes.jobs.sweep.swept == 1


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
    seq = len(lab.events(run)) + 1
    ended = AttemptFailed(now, "n0", 1, error, Budget.SYSTEM, now)
    lab.journal.commit([Append(run.id, row.fence, seq, [ended])], durable=True)
    lab.service.fault = lambda verb: None
    lab.begin("second")
    again = lab.take_over(run)
    lab.turn_until(lambda: lab.node(again).attempt == 2 and len(lab.service.jobs) == 2)
    lab.engine._lanes.jobs.adopted(again, lab.events(again)[:6])
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


def test_an_engine_that_stood_still_between_intent_and_call_starts_nothing(lab: Lab) -> None:
    lab.service.gated = True
    lab.steps.begins_after_s = 0.2
    commit = lab.journal.commit

    def stand_still(appends: Sequence[Append], *, durable: bool) -> None:
        commit(appends, durable=durable)
        if any(isinstance(event, AttemptStarted) for append in appends for event in append.events):
            lab.time.at_s += 40.0
            assert lab.journal.claim("run1", "rival", lab.time.now()) is not None

    lab.journal.commit = stand_still  # type: ignore[method-assign]
    run = lab.submit(lab.spec(5.0))
    lab.turn_until(run.future.done)
    lab.turn_for(60.0)
    assert not lab.service.jobs
    assert lab.service.count("create") == 0


def test_a_run_that_was_lost_and_comes_back_finds_its_slots_free(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=(ResourceClaim("one"),))
    run = lab.submit(*(lab.spec(50.0) for _ in range(3)))
    lab.turn_for(5.0)
    rival = lab.journal.claim(run.id, "rival", lab.time.now() + 1000.0)
    assert rival is not None
    lab.turn_until(run.future.done)  # the next renewal notices
    lab.journal.release({run.id: rival.fence})
    again = lab.take_over(run)
    assert lab.finish(again, limit_s=300.0) is RunPhase.SUCCEEDED
    assert len(lab.service.jobs) == 3


def test_a_run_that_comes_back_before_its_loss_was_noticed_finds_its_slots_free(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=(ResourceClaim("one"),))
    run = lab.submit(*(lab.spec(50.0) for _ in range(3)))
    lab.turn_for(5.0)
    lab.service.jobs["j1"].ends_s = lab.time.at_s
    events = lab.events(run)
    rival = lab.journal.claim(run.id, "rival", lab.time.now() + 1000.0)
    assert rival is not None
    done = AttemptSucceeded(lab.time.now(), "n0", 1, {"result": 7})
    lab.journal.commit([Append(run.id, rival.fence, len(events) + 1, [done])], durable=True)
    lab.journal.release({run.id: rival.fence})
    again = lab.take_over(run)
    assert lab.finish(again, limit_s=300.0) is RunPhase.SUCCEEDED
    assert len(lab.service.jobs) == 3


def test_an_abort_does_not_believe_absence_right_after_a_create(lab: Lab) -> None:
    """A request may still be on its way that its sender has stopped waiting for."""
    delayed: list[CreateRequest] = []

    def times_out(verb: str) -> HardpointError | None:
        if verb != "create":
            return None
        delayed.append(lab.service.requests[-1])
        lab.time.after(1.5, arrives)
        return TransientError("timed out")

    def arrives() -> None:
        if not lab.service.jobs:
            lab.service.start(delayed[0])

    lab.service.fault = times_out
    run = lab.submit(lab.spec(500.0))
    lab.turn_until(lambda: bool(lab.events(run, CreateUnsettled)))
    lab.engine.abort(run.id, "enough")
    assert lab.finish(run, limit_s=30.0) is RunPhase.ABORTED
    assert (len(lab.service.jobs), lab.service.running) == (1, [])


def breaks_down(lab: Lab, finds: int) -> None:
    """The reply to the create is lost, repeating it is refused, and so many looks for the job break down."""

    def fault(verb: str) -> HardpointError | None:
        match verb, lab.service.count(verb):
            case "create", 1:
                return LostReply("cut")
            case "create", _:
                return HardpointError("the plugin broke down")
            case "find", count if count <= finds:
                return HardpointError("the plugin broke down")
            case _:
                return None

    lab.service.fault = fault


def test_a_look_that_broke_down_proves_nothing(lab: Lab) -> None:
    breaks_down(lab, finds=BLIND_LOOKS - 1)
    run = lab.submit(lab.spec(1.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert (len(lab.service.jobs), len(lab.events(run, AttemptStarted))) == (1, 1)


def test_a_plugin_that_can_never_look_does_not_hold_the_run_for_ever(lab: Lab) -> None:
    breaks_down(lab, finds=1000)
    run = lab.submit(lab.spec(1.0))
    assert lab.finish(run) is RunPhase.FAILED
    assert lab.service.count("find") == BLIND_LOOKS
    (failed,) = lab.events(run, AttemptFailed)
    assert failed.error.message == "the plugin broke down"
