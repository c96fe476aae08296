"""How soon the end of a job is noticed, and how many calls that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hardpoint.executor.journal.events import AttemptFailed, AttemptSucceeded, JobCreated, JobMoved, RunPhase
from hardpoint.plugin_api import HardpointError, Phase, PollPolicy, ThrottledError, TransientError

if TYPE_CHECKING:
    from tests.jobs.conftest import Lab


@pytest.mark.parametrize(
    ("seconds", "notice_s", "polls"), [(2.0, 0.5, 15), (60.0, 6.5, 50), (3600.0, 30.5, 180)]
)
def test_jobs_are_noticed_soon_and_asked_for_rarely(
    seconds: float, notice_s: float, polls: int, lab: Lab
) -> None:
    run = lab.submit(lab.spec(seconds))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    (job,) = lab.service.jobs.values()
    (done,) = lab.events(run, AttemptSucceeded)
    assert 0 <= done.at - lab.time.now() + lab.time.at_s - job.ends_s <= notice_s
    assert lab.service.count("poll") <= polls


def test_ten_thousand_jobs_take_hardly_more_calls_than_creates(new_lab: type[Lab]) -> None:
    lab = new_lab(PollPolicy(batch_max=500), latency_s=0.02)
    lab.service.tells_outputs = True
    run = lab.submit(*(lab.spec(5.0) for _ in range(2000)))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert lab.service.count("create") == 2000
    assert lab.service.count("outputs") == 0
    assert lab.service.count("poll") <= 200
    sizes = [jobs for verb, _, jobs in lab.service.calls if verb == "poll"]
    assert max(sizes) == 500


def test_jobs_that_start_one_after_another_are_asked_for_together(new_lab: type[Lab]) -> None:
    lab = new_lab(PollPolicy(batch_max=500), latency_s=0.02)
    runs = []
    for _ in range(1000):
        runs.append(lab.submit(lab.spec(5.0)))
        lab.turn_for(0.01)
    for run in runs:
        assert lab.finish(run) is RunPhase.SUCCEEDED
    assert lab.service.count("poll") <= 250
    late = [
        event.at - lab.service.jobs[lab.events(run, JobCreated)[0].job.id].ends_s
        for run in runs
        for event in lab.events(run, AttemptSucceeded)
    ]
    assert sorted(late)[len(late) // 2] - (lab.time.now() - lab.time.at_s) <= 0.5


def test_outputs_that_do_not_come_with_the_status_are_read(lab: Lab) -> None:
    lab.service.tells_outputs = False
    run = lab.submit(lab.spec(1.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert lab.service.count("outputs") == 1
    assert [event.phase for event in lab.events(run, JobMoved)] == [Phase.RUNNING, Phase.SUCCEEDED]


def test_a_status_outage_of_ten_hours_ends_no_job(lab: Lab) -> None:
    outage_s = 36_000.0
    down: HardpointError = TransientError("connection refused")
    lab.service.fault = lambda verb: down if verb != "create" and 1.0 < lab.time.at_s < outage_s else None
    run = lab.submit(lab.spec(30.0))
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert lab.time.at_s - outage_s <= 61.0
    assert lab.service.count("poll") <= 36_000 / 45 + 20
    assert len(lab.events(run)) <= 9


def test_failures_count_anew_after_each_success(lab: Lab) -> None:
    outages = [(10.0 * i + 5.0, 10.0 * i + 9.0) for i in range(30)]
    down: HardpointError = TransientError("connection refused")
    lab.service.fault = lambda verb: (
        down if verb == "poll" and any(a < lab.time.at_s < b for a, b in outages) else None
    )
    run = lab.submit(lab.spec(290.0))
    lab.finish(run)
    # Each outage is over within 4 s plus the wait that one such outage leads to, never that of all of them.
    assert lab.time.at_s <= 290.0 + 10.0 + 30.0


def test_a_poll_waits_as_long_as_the_service_asks(lab: Lab) -> None:
    busy = ThrottledError("slow down", retry_after_s=25.0)
    lab.service.fault = lambda verb: busy if verb == "poll" and lab.service.count("poll") == 3 else None
    run = lab.submit(lab.spec(5.0))
    lab.finish(run)
    polls = [at_s for verb, at_s, _ in lab.service.calls if verb == "poll"]
    assert polls[3] - polls[2] >= 25.0


def test_a_slow_poll_holds_up_no_other_job(new_lab: type[Lab]) -> None:
    lab = new_lab(latency_s=8.0)
    first = lab.submit(lab.spec(1.0))
    lab.turn_until(lambda: lab.service.count("poll") == 1)
    second = lab.submit(lab.spec(1.0))
    lab.finish(second)
    lab.finish(first)
    waits = [b - a for a, b in zip(*(sorted(_polls(lab))[i:] for i in (0, 1)), strict=False)]
    assert max(waits, default=0.0) <= 30.0
    assert lab.service.count("poll") <= 8


def _polls(lab: Lab) -> list[float]:
    return [at_s for verb, at_s, _ in lab.service.calls if verb == "poll"]


def test_one_bad_id_does_not_freeze_the_jobs_beside_it(lab: Lab) -> None:
    run = lab.submit(*(lab.spec(3.0) for _ in range(8)))
    lab.turn_until(lambda: len(lab.service.jobs) == 8)
    poisoned = lab.service.jobs["j3"]
    real = type(poisoned).status

    class Poisoned(type(poisoned)):  # type: ignore[misc]
        def status(self, at_s: float) -> object:
            if at_s < 600:
                raise ValueError("a bug of the plugin")
            return real(self, at_s)

    poisoned.__class__ = Poisoned
    lab.turn_until(lambda: len(lab.events(run, AttemptSucceeded)) == 7, limit_s=120.0)
    assert lab.finish(run) is RunPhase.SUCCEEDED


def test_absence_is_believed_only_after_it_has_lasted(lab: Lab) -> None:
    run = lab.submit(lab.spec(20.0))
    lab.turn_until(lambda: lab.node(run).phase is Phase.RUNNING)
    for began_s in (3.0, 8.0, 13.0):  # three gaps, each shorter than the settling delay
        lab.turn_until(lambda began_s=began_s: lab.time.at_s >= began_s)  # type: ignore[misc]
        job = lab.service.jobs.pop("j1")
        lab.turn_for(1.5)
        lab.service.jobs["j1"] = job
        lab.turn_for(1.0)
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert lab.node(run).attempt == 1


def test_a_job_that_is_gone_for_good_is_made_again_at_the_platforms_cost(lab: Lab) -> None:
    run = lab.submit(lab.spec(20.0))
    lab.turn_until(lambda: lab.node(run).phase is Phase.RUNNING)
    lab.service.jobs["gone"] = lab.service.jobs.pop("j1")
    assert lab.finish(run) is RunPhase.SUCCEEDED
    (failed,) = lab.events(run, AttemptFailed)
    assert failed.error.code == "JobAbsent"
    assert failed.error.message == "The service does not know job `j1` any more"
    assert lab.node(run).system_failures == 1


def test_an_answer_that_took_its_time_proves_no_absence(lab: Lab) -> None:
    run = lab.submit(lab.spec(40.0))
    lab.turn_until(lambda: lab.node(run).phase is Phase.RUNNING)
    job = lab.service.jobs.pop("j1")
    asked = lab.service.count("poll")
    lab.turn_until(lambda: lab.service.count("poll") == asked + 1)
    lab.turn_for(0.1)
    # Asked while the job was not to be seen, and answered when absence would have lasted long enough.
    lab.steps.latency_s = 3.0
    lab.turn_until(lambda: lab.service.count("poll") == asked + 2)
    lab.service.jobs["j1"] = job
    lab.turn_for(3.1)
    lab.steps.latency_s = 0.05
    assert lab.finish(run) is RunPhase.SUCCEEDED
    assert not lab.events(run, AttemptFailed)
