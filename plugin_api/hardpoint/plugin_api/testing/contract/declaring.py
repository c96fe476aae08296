"""What a task type says of itself, before anything runs."""

from __future__ import annotations

from typing import ClassVar

import pytest

from hardpoint.plugin_api.handler import Idempotency, Shape
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect
from hardpoint.plugin_api.verbs import verbs_of


class DeclaringContract(ContractPart[SwitchT]):
    """The declaration and `prepare`."""

    shape: ClassVar[Shape] = Shape.JOB
    pushes: ClassVar[bool] = False

    @pytest.fixture
    def preparing(self, trial: Trial[SwitchT]) -> Trial[SwitchT]:
        """The trial of a type whose `prepare` is called."""
        if trial.type.claims is not None:
            pytest.skip(f"Task type `{trial.type.name}` declares its claims, so `prepare` is never called")
        return trial

    def test_declares_its_shape(self, trial: Trial[SwitchT]) -> None:
        """With all its verbs, and a name that can stand in a pool's name."""
        name, wanted = trial.type.name, self.shape
        expect(trial.type.shape is wanted, f"Task type `{name}` has the shape `{wanted.value}`")
        missing = [verb for verb in verbs_of(wanted) if not callable(getattr(trial.handler, verb, None))]
        expect(
            not missing, f"The handler of `{name}` has every verb of its shape, also `{', '.join(missing)}`"
        )
        silent = self.pushes or not hasattr(trial.handler, "watch")
        expect(silent, f"The kit of `{name}`, whose handler has `watch`, is a `PushContract`")
        expect(name == name.lower() and ":" not in name, f"`{name}` is lower case, without `:`")

    def test_prepare_has_no_effect(self, preparing: Trial[SwitchT]) -> None:
        """It may be asked twice, and starts nothing."""
        first = preparing.handler.prepare(preparing.context, preparing.request())
        second = preparing.handler.prepare(preparing.context, preparing.request())
        expect(first == second, f"`prepare` says the same twice: `{first}`, `{second}`")
        expect(not preparing.service.jobs_for(preparing.token), "`prepare` starts no job")
        expect(preparing.context.calls.writes == 0, "`prepare` makes no call that changes something")

    def test_claims_name_pools_of_this_type(self, trial: Trial[SwitchT]) -> None:
        """So that two plugins never share a pool by accident."""
        claims = trial.type.claims
        if claims is None:
            claims = trial.handler.prepare(trial.context, trial.request()).claims
        for claim in claims:
            begins = f"{trial.type.name}:"
            expect(claim.pool.startswith(begins), f"The pool `{claim.pool}` begins with `{begins}`")
            expect(claim.units >= 1, f"A claim of `{claim.pool}` has at least one unit, not `{claim.units}`")

    def test_job_lives_in_the_prepared_account(self, preparing: Trial[SwitchT]) -> None:
        """Polls are batched by it."""
        prepared = preparing.handler.prepare(preparing.context, preparing.request()).account
        created = preparing.create().account
        expect(created == prepared, f"The job's account is the prepared one: `{created}`, `{prepared}`")

    def test_idempotency_is_declared(self, trial: Trial[SwitchT]) -> None:
        """Without it the executor starts a job only for authors who accept a second one."""
        if trial.type.idempotency is Idempotency.NONE:
            pytest.skip(f"Task type `{trial.type.name}` declares none: a repeated create is a second job")
        searching = trial.type.idempotency is Idempotency.SEARCH
        expect(
            not searching or trial.type.settling_delay_s > 0,
            "A type that searches declares after how many seconds listings show a job: `settling_delay_s`",
        )
