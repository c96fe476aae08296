"""Every refusal of the service is classed, because the class decides whose retries pay for it."""

from __future__ import annotations

import pytest

from hardpoint.plugin_api.errors import (
    ContractViolation,
    ErrorKind,
    HardpointError,
    PermanentSystemError,
    SecretMissingError,
    ThrottledError,
    TransientError,
    UserError,
)
from hardpoint.plugin_api.testing.contract.calling import VERBS, expect_recovered, prepared_call, raised
from hardpoint.plugin_api.testing.contract.switch import ability
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect

RETRY_AFTER_S = 7.0


class FailingContract(ContractPart[SwitchT]):
    """Errors of every verb."""

    @pytest.mark.parametrize("verb", VERBS)
    def test_429_is_throttled(self, trial: Trial[SwitchT], verb: str) -> None:
        """With the wait that the service asked for."""
        call = prepared_call(trial, verb)
        trial.service.fail_next(429, retry_after_s=RETRY_AFTER_S)
        error = raised(call)
        expect(isinstance(error, ThrottledError), f"A 429 in `{verb}` is `ThrottledError`, not `{error!r}`")
        assert isinstance(error, ThrottledError)
        asked = error.info().retry_after_s
        if self.tells_retry_after:
            expect(asked == RETRY_AFTER_S, f"`retry_after_s` is `{RETRY_AFTER_S}`, not `{asked}`")
        expect_not_charged(error, f"A 429 in `{verb}`")
        expect_recovered(call, verb)

    @pytest.mark.parametrize("status", [500, 502, 503])
    @pytest.mark.parametrize("verb", VERBS)
    def test_5xx_is_transient(self, trial: Trial[SwitchT], verb: str, status: int) -> None:
        """And gone with the next call."""
        call = prepared_call(trial, verb)
        trial.service.fail_next(status)
        error = raised(call)
        expect(
            isinstance(error, TransientError), f"A {status} in `{verb}` is `TransientError`, not `{error!r}`"
        )
        expect_not_charged(error, f"A {status} in `{verb}`")
        expect_recovered(call, verb)

    @pytest.mark.parametrize("verb", VERBS)
    def test_timeout_is_transient(self, trial: Trial[SwitchT], verb: str) -> None:
        """The outcome is unknown, so the executor asks again."""
        stall = ability(trial.service, "stall_next_reply")
        trial.make_request = self.impatient_request
        call = prepared_call(trial, verb)
        stall()
        error = raised(call)
        expect(
            isinstance(error, TransientError), f"A timeout in `{verb}` is `TransientError`, not `{error!r}`"
        )
        expect_not_charged(error, f"A timeout in `{verb}`")
        expect_recovered(call, verb)

    @pytest.mark.parametrize("verb", VERBS)
    def test_broken_reply_is_classed(self, trial: Trial[SwitchT], verb: str) -> None:
        """A decoder's own exception would look like a bug of the plugin."""
        call = prepared_call(trial, verb)
        trial.service.garble_next_reply()
        error = raised(call)
        classed = isinstance(error, TransientError | ContractViolation)
        # Nobody needs the body of the answer to a cancel.
        expect(
            classed or (verb == "cancel" and error is None),
            f"A broken reply in `{verb}` is `TransientError` or `ContractViolation`, not `{error!r}`",
        )
        expect_not_charged(error, f"A broken reply in `{verb}`")
        expect_recovered(call, verb)

    @pytest.mark.parametrize("status", [401, 403])
    @pytest.mark.parametrize("verb", VERBS)
    def test_refused_credentials_are_permanent(self, trial: Trial[SwitchT], verb: str, status: int) -> None:
        """With a hint, since a person has to act."""
        call = prepared_call(trial, verb)
        trial.service.fail_next(status)
        error = raised(call)
        expect(
            isinstance(error, PermanentSystemError | SecretMissingError),
            f"A {status} in `{verb}` is `PermanentSystemError`, not `{error!r}`",
        )
        assert isinstance(error, HardpointError)
        expect(bool(error.hint), f"A {status} in `{verb}` comes with a hint: `{error}`")

    def test_400_is_the_authors(self, trial: Trial[SwitchT]) -> None:
        """A request that the service finds wrong stays wrong."""
        call = prepared_call(trial, "create")
        trial.service.fail_next(400)
        error = raised(call)
        expect(isinstance(error, UserError), f"A 400 in `create` is `UserError`, not `{error!r}`")
        expect(not trial.service.jobs_for(trial.token), "A refused create starts nothing")


def expect_not_charged(error: Exception | None, what: str) -> None:
    """Fail if the author's retries would pay for it."""
    kind = error.info().kind if isinstance(error, HardpointError) else None
    expect(kind is not ErrorKind.USER, f"{what} never uses the author's retries: its kind is `{kind}`")
