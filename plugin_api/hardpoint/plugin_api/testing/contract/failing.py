"""Every refusal of the service is classed, because the class decides whose retries pay for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hardpoint.plugin_api.errors import (
    ContractViolation,
    HardpointError,
    PermanentSystemError,
    SecretMissingError,
    ThrottledError,
    TransientError,
    UserError,
)
from hardpoint.plugin_api.handler import JobRef
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect

RETRY_AFTER_S = 7.0
VERBS = ("create", "find", "poll_many", "outputs", "cancel")


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
        asked = error.retry_after_s
        if self.tells_retry_after:
            expect(asked == RETRY_AFTER_S, f"`retry_after_s` is `{RETRY_AFTER_S}`, not `{asked}`")
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


def prepared_call(trial: Trial[SwitchT], verb: str) -> Callable[[], object]:
    """A call of that verb that would succeed; jobs it needs exist already."""
    request = trial.request()
    if verb == "create":
        return trial.create_again
    if verb == "find":
        trial.create()
        trial.service.settle()
        return lambda: trial.handler.find(trial.context, request)
    job: JobRef = trial.create()
    calls: dict[str, Callable[[], object]] = {
        "poll_many": lambda: trial.poll(job),
        "outputs": lambda: trial.handler.outputs(trial.context, request, job),
        "cancel": lambda: trial.handler.cancel(trial.context, job, "contract"),
    }
    if verb == "outputs":
        trial.service.finish(job.id)
    return calls[verb]


def raised(call: Callable[[], object]) -> Exception | None:
    """What the call raises; None if it returns."""
    try:
        call()
    except Exception as error:  # whatever it is, the caller compares it with what it should be
        return error
    return None


def expect_recovered(call: Callable[[], object], verb: str) -> None:
    """Fail unless the same call works once the fault is over."""
    error = raised(call)
    expect(error is None, f"`{verb}` works again after the fault, but raised `{error!r}`")
