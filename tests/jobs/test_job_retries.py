"""Who pays for which error, how long is waited before the next try, and what limits both."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hardpoint.executor.engine.retry import SYSTEM_ATTEMPTS
from hardpoint.executor.journal.events import (
    AttemptFailed,
    AttemptStarted,
    Budget,
    CancelCause,
    CancelRequested,
    CreateUnsettled,
    RunPhase,
)
from hardpoint.plugin_api import (
    ErrorInfo,
    ErrorKind,
    Phase,
    PreemptedError,
    ResourceClaim,
    Retry,
    Status,
    ThrottledError,
    TransientError,
)

if TYPE_CHECKING:
    from tests.jobs.conftest import Lab

FAILS = Status(Phase.FAILED, "no", ErrorInfo("ValueError", "no"))
DONE = Status(Phase.SUCCEEDED)
PREEMPTED = Status(Phase.FAILED, "spot", PreemptedError("the spot machine was taken away").info())


def test_a_throttled_create_uses_up_no_budget(lab: Lab) -> None:
    busy = ThrottledError("slow down", retry_after_s=7.0)
    lab.service.fault = lambda verb: busy if verb == "create" and lab.service.count("create") <= 50 else None
    run = lab.submit(lab.spec(1.0, retry=Retry(1)))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert len(lab.events(run, AttemptStarted)) == 1
    assert not lab.events(run, AttemptFailed)
    at = [at_s for verb, at_s, _ in lab.service.calls if verb == "create"]
    assert min(b - a for a, b in itertools.pairwise(at)) >= 7.0


def test_a_job_that_its_service_throttled_is_tried_again_at_nobodys_cost(lab: Lab) -> None:
    busy = Status(Phase.FAILED, "quota", ErrorInfo("Quota", "quota", ErrorKind.THROTTLED))
    lab.service.ends = lambda request: busy if request.attempt <= 12 else Status(Phase.SUCCEEDED)
    run = lab.submit(lab.spec(1.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert {event.budget for event in lab.events(run, AttemptFailed)} == {Budget.NOBODY}
    assert lab.node(run).attempt == 13


def test_the_authors_errors_and_the_platforms_have_budgets_of_their_own(lab: Lab) -> None:
    ends = {1: FAILS, 2: PREEMPTED, 3: PREEMPTED, 4: FAILS, 5: PREEMPTED, 6: FAILS}
    lab.service.ends = lambda request: ends[request.attempt]
    run = lab.submit(lab.spec(1.0, retry=Retry(3, delay_s=4.0)))
    assert lab.finish(run) is RunPhase.FAILED
    failed = lab.events(run, AttemptFailed)
    assert [event.budget.value for event in failed] == [
        "user",
        "system",
        "system",
        "user",
        "system",
        "user",
    ]
    assert (lab.node(run).user_failures, lab.node(run).system_failures) == (3, 3)
    waits = [event.retry_at - event.at for event in failed if event.budget is Budget.USER and event.retry_at]
    assert 0 <= waits[0] <= 4.0
    assert 0 <= waits[1] <= 8.0


def test_the_last_attempt_that_losses_leave_is_not_interruptible(lab: Lab) -> None:
    lab.service.ends = lambda request: PREEMPTED
    run = lab.submit(lab.spec(1.0, interruptible=True, retry=Retry(9)))
    assert lab.finish(run) is RunPhase.FAILED
    allowed = [request.interruptible for request in lab.service.requests]
    assert allowed == [True] * (SYSTEM_ATTEMPTS - 1) + [False]
    assert len({request.token for request in lab.service.requests}) == SYSTEM_ATTEMPTS


def test_the_authors_errors_do_not_end_interruptible_attempts(lab: Lab) -> None:
    lab.service.ends = lambda request: FAILS
    run = lab.submit(lab.spec(1.0, interruptible=True, retry=Retry(7, delay_s=0.1)))
    lab.finish(run)
    assert [request.interruptible for request in lab.service.requests] == [True] * 7


def test_an_outage_while_claims_are_asked_for_costs_nothing(lab: Lab) -> None:
    down = TransientError("connection refused")
    lab.service.fault = lambda verb: down if verb == "prepare" and lab.time.at_s < 7200 else None
    run = lab.submit(lab.spec(1.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert {event.budget for event in lab.events(run, AttemptFailed)} == {Budget.NOBODY}
    assert lab.time.at_s <= 7200 + 35


def test_static_claims_need_no_call(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=(ResourceClaim("job:slots"),))
    run = lab.submit(lab.spec(1.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert lab.service.count("prepare") == 0
    assert lab.node(run).claims == (ResourceClaim("job:slots"),)


def test_outputs_that_cannot_be_read_for_an_hour_are_read_then(lab: Lab) -> None:
    lab.service.tells_outputs = False
    busy = ThrottledError("slow down", retry_after_s=100.0)
    lab.service.fault = lambda verb: busy if verb == "outputs" and lab.time.at_s < 3600 else None
    run = lab.submit(lab.spec(1.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert lab.service.count("outputs") <= 38


def test_a_node_that_is_not_done_at_its_deadline_fails_after_its_job_was_cancelled(lab: Lab) -> None:
    run = lab.submit(lab.spec(1000.0, deadline_s=50.0, retry=Retry(5)))
    assert lab.finish(run) is RunPhase.FAILED
    (asked,) = lab.events(run, CancelRequested)
    assert asked.cause is CancelCause.DEADLINE
    (failed,) = lab.events(run, AttemptFailed)
    assert (failed.error.code, failed.retry_at, failed.error.kind) == (
        "DeadlineExpired",
        None,
        ErrorKind.USER,
    )
    assert failed.error.message == (
        "Node `n0` did not succeed within 50 s of when it could first start; attempts made: 1"
    )
    assert not lab.service.running
    assert lab.time.at_s <= 56.0


def test_a_deadline_counts_all_attempts_together(lab: Lab) -> None:
    lab.service.ends = lambda request: FAILS
    run = lab.submit(lab.spec(10.0, deadline_s=55.0, retry=Retry(100, delay_s=2.0, max_delay_s=2.0)))
    assert lab.finish(run) is RunPhase.FAILED
    assert run.state.error is not None
    assert 4 <= len(lab.service.jobs) <= 6
    assert lab.time.at_s <= 60.0


def test_a_deadline_ends_a_node_that_waits_for_its_next_attempt(lab: Lab) -> None:
    down = TransientError("connection refused")
    lab.service.fault = lambda verb: down if verb == "prepare" else None
    run = lab.submit(lab.spec(1.0, deadline_s=90.0))
    assert lab.finish(run) is RunPhase.FAILED
    assert run.state.error is not None
    assert run.state.error.code == "DeadlineExpired"
    assert 90.0 <= lab.time.at_s <= 90.1


def test_a_deadline_goes_on_counting_after_a_restart(lab: Lab) -> None:
    run = lab.submit(lab.spec(1000.0, deadline_s=100.0))
    lab.turn_for(20.0)
    lab.begin("second")
    again = lab.take_over(run)
    assert lab.finish(again) is RunPhase.FAILED
    assert again.state.error is not None
    assert again.state.error.code == "DeadlineExpired"
    assert 100.0 <= lab.time.at_s <= 110.0
    assert not lab.service.running


def test_a_timeout_goes_on_counting_after_a_restart(lab: Lab) -> None:
    run = lab.submit(lab.spec(1000.0, timeout_s=100.0))
    lab.turn_for(20.0)
    lab.begin("second")
    again = lab.take_over(run)
    assert lab.finish(again) is RunPhase.FAILED
    assert 100.0 <= lab.time.at_s <= 110.0
    assert not lab.service.running


def test_an_unsettled_create_is_tried_ever_more_slowly(lab: Lab) -> None:
    down = TransientError("connection refused")
    lab.service.fault = lambda verb: down if verb == "create" and lab.time.at_s < 3600 else None
    run = lab.submit(lab.spec(1.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert len(lab.events(run, CreateUnsettled)) <= 3600 / 10
    assert len({request.token for request in lab.service.requests}) == 1


def test_what_is_in_flight_is_counted_before_anything_starts_after_a_restart(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=(ResourceClaim("one"),))
    lab.service.ends = lambda request: FAILS if request.attempt == 1 and request.node == "n0" else DONE
    run = lab.submit(lab.spec(5.0, retry=Retry(2, delay_s=0.0)), lab.spec(300.0), lab.spec(5.0))
    lab.turn_until(lambda: lab.node(run, "n1").job is not None)
    lab.begin("second")
    again = lab.take_over(run)
    lab.turn_for(30.0)
    assert lab.service.running == ["j2"]
    assert lab.finish(again) is RunPhase.SUCCEEDED
    spans = sorted((job.began_s, job.ends_s) for job in lab.service.jobs.values())
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))


def test_thousands_that_wait_for_a_few_slots_cost_no_more_than_a_few(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=(ResourceClaim("one"),), latency_s=0.001)
    run = lab.submit(*(lab.spec(0.01) for _ in range(2000)))
    asked: list[str] = []
    throttle = lab.engine._lanes.governor.throttle
    ask = throttle.ask
    throttle.ask = lambda lot, holder, now: asked.append(holder[1]) or ask(lot, holder, now)  # type: ignore
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert len(asked) == 2000
