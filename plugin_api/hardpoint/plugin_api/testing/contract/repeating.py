"""Calls that may be repeated: each verb ten times, half of them after a restart."""

from __future__ import annotations

import pytest

from hardpoint.plugin_api.handler import Idempotency, JobRef
from hardpoint.plugin_api.testing.contract.calling import raised
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect

REPETITIONS = 10


class RepeatingContract(ContractPart[SwitchT]):
    """Every idempotent call."""

    def test_create_repeated_is_the_same_job(self, trial: Trial[SwitchT]) -> None:
        """Ten times over."""
        if trial.type.idempotency is Idempotency.NONE:
            pytest.skip(f"Task type `{trial.type.name}` declares no idempotency, so it is not held to any")
        first = trial.create()
        for _ in range(REPETITIONS):
            again = trial.create_again()
            expect(again.id == first.id, f"A repeated create is the first job: `{again.id}`, `{first.id}`")
        trial.expect_one_job(first, f"after {REPETITIONS} creates")

    @pytest.mark.parametrize("verb", ["find", "poll", "outputs"])
    def test_repeated_read_says_the_same(self, trial: Trial[SwitchT], verb: str) -> None:
        """A verb remembers nothing, and changes nothing."""
        job = trial.create()
        trial.service.settle()
        trial.service.finish(job.id)
        answers = [_read(trial, verb, job) for _ in range(REPETITIONS // 2)]
        later = trial.restarted()
        answers += [_read(later, verb, job) for _ in range(REPETITIONS // 2)]
        other = next((each for each in answers if each != answers[0]), answers[0])
        expect(other == answers[0], f"A repeated `{verb}` says the same: `{answers[0]}`, then `{other}`")
        expect(later.context.calls.writes == 0, f"`{verb}` makes no call that changes something")

    def test_repeated_cancel_is_no_error(self, trial: Trial[SwitchT]) -> None:
        """It is asked until a poll confirms the end."""
        job = trial.create()
        errors = [raised(lambda: trial.cancel(job)) for _ in range(REPETITIONS)]
        expect(errors == [None] * REPETITIONS, f"A repeated `cancel` raises nothing, not `{errors}`")


def _read(trial: Trial[SwitchT], verb: str, job: JobRef) -> object:
    match verb:
        case "find":
            return trial.find()
        case "poll":
            return trial.poll(job)
        case _:
            return trial.outputs(job)
