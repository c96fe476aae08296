"""What a task type says of itself, before anything runs."""

from __future__ import annotations

import json

import msgspec
import pytest

from hardpoint.plugin_api.handler import Idempotency, Shape
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect


class DeclaringContract(ContractPart[SwitchT]):
    """The declaration and `prepare`."""

    def test_declares_a_job_type(self, trial: Trial[SwitchT]) -> None:
        """Its shape, and a name that can stand in a pool's name."""
        name = trial.type.name
        expect(trial.type.shape is Shape.JOB, f"Task type `{name}` has the shape `job`")
        expect(name == name.lower() and ":" not in name, f"`{name}` is lower case, without `:`")

    def test_config_survives_a_round_trip(self, trial: Trial[SwitchT]) -> None:
        """What the journal keeps of a config makes the same config again."""
        config = trial.request().spec.config
        typed = trial.type.check_config(config)
        stored = json.loads(json.dumps(msgspec.to_builtins(typed)))
        expect(trial.type.check_config(stored) == typed, f"The config survives JSON: `{stored}`")

    def test_config_refuses_unknown_fields(self, trial: Trial[SwitchT]) -> None:
        """A misspelt field is an error, not ignored."""
        config = {**trial.request().spec.config, "no_such_field": 1}
        try:
            trial.type.check_config(config)
        except msgspec.ValidationError:
            return
        raise AssertionError(f"The config `{trial.type.config.__name__}` has `forbid_unknown_fields=True`")

    def test_prepare_has_no_effect(self, trial: Trial[SwitchT]) -> None:
        """It may be asked twice, and starts nothing."""
        first = trial.handler.prepare(trial.context, trial.request())
        second = trial.handler.prepare(trial.context, trial.request())
        expect(first == second, f"`prepare` says the same twice: `{first}`, `{second}`")
        expect(not trial.service.jobs_for(trial.token), "`prepare` starts no job")
        expect(trial.context.calls.writes == 0, "`prepare` makes no call that changes something")

    def test_claims_name_pools_of_this_type(self, trial: Trial[SwitchT]) -> None:
        """So that two plugins never share a pool by accident."""
        for claim in trial.handler.prepare(trial.context, trial.request()).claims:
            begins = f"{trial.type.name}:"
            expect(claim.pool.startswith(begins), f"The pool `{claim.pool}` begins with `{begins}`")
            expect(claim.units >= 1, f"A claim of `{claim.pool}` has at least one unit, not `{claim.units}`")

    def test_job_lives_in_the_prepared_account(self, trial: Trial[SwitchT]) -> None:
        """Polls are batched by it."""
        prepared = trial.handler.prepare(trial.context, trial.request()).account
        created = trial.create().account
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
