"""Usage: told once the job has ended; and estimates, which change nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from hardpoint.plugin_api.declare import Capability
from hardpoint.plugin_api.handler import Estimate
from hardpoint.plugin_api.phase import Phase
from hardpoint.plugin_api.testing.contract.calling import raised
from hardpoint.plugin_api.testing.contract.secrecy import expect_silent
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect

ENDS = (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED)


class UsageContract(ContractPart[SwitchT]):
    """`Status.usage`."""

    def test_usage_is_finite_and_declared(self, trial: Trial[SwitchT]) -> None:
        """Sums over runs and tenants are made of it; a figure that is none is left out of them."""
        jobs = [trial.create(trial.other_token(number)) for number in range(1, 3)]
        trial.service.finish(jobs[0].id)
        for status in trial.poll(*jobs).values():
            expect_usage(status.usage, "A status")
            told = not status.usage or Capability.USAGE in trial.type.capabilities
            expect(told, "A type whose statuses tell a usage declares `Capability.USAGE`")

    @pytest.mark.parametrize("end", ENDS, ids=lambda end: end.value)
    def test_usage_is_told_once_the_job_has_ended(self, trial: Trial[SwitchT], end: Phase) -> None:
        """What failed or was cancelled costs too; and another process says the same."""
        if Capability.USAGE not in trial.type.capabilities:
            pytest.skip(f"Task type `{trial.type.name}` does not declare `Capability.USAGE`")
        job = trial.create()
        trial.service.finish(job.id, end)
        usage = trial.poll(job)[job.id].usage
        expect(bool(usage), f"The status of a job that is `{end.value}` says what it used")
        again = trial.restarted().poll(job)[job.id].usage
        expect(again == usage, f"A usage told again is the same: `{usage}`, `{again}`")


class EstimatingContract(ContractPart[SwitchT]):
    """`estimate`, of handlers that have it."""

    def test_estimate_changes_nothing(self, trial: Trial[SwitchT]) -> None:
        """No write, no job; and a create after it starts the job."""
        expect_estimate(_estimate(trial))
        trial.service.settle()
        expect(not trial.service.jobs_for(trial.token), "`estimate` starts no job")
        expect(trial.context.calls.writes == 0, "`estimate` makes no call that changes something")
        job = trial.create()
        alive = list(trial.service.jobs_for(trial.token))
        expect(alive == [job.id], f"A create after `estimate` starts one job: `{alive}`")

    def test_estimate_holds_no_secret(self, trial: Trial[SwitchT]) -> None:
        """It is printed, and so is why there is none."""
        made = _estimate(trial)
        trial.service.fail_next(503)
        error = raised(lambda: _estimate(trial))
        texts = [msgspec.json.encode(made).decode(), repr(error), *trial.context.logged]
        expect_silent(self.secrets, texts)


def _estimate(trial: Trial[SwitchT]) -> Any:
    estimate = getattr(trial.handler, "estimate", None)
    if estimate is None:
        pytest.skip(f"The handler of task type `{trial.type.name}` has no `estimate`")
    return estimate(trial.context, trial.request())


def expect_estimate(made: object) -> None:
    """Fail unless this is what `estimate` promises."""
    assert isinstance(made, Estimate), f"`estimate` returns an `Estimate`, not `{type(made).__name__}`"
    expect_usage(made.usage, "An estimate")
    expect(bool(made.usage or made.text), "An estimate has a figure or a text")


def expect_usage(usage: Mapping[str, float], whose: str) -> None:
    """Fail unless these are figures: finite, from 0 on."""
    wrong = {name: value for name, value in usage.items() if not _is_figure(value)}
    expect(not wrong, f"{whose} tells finite numbers from 0 on, not `{wrong}`")


def _is_figure(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0
