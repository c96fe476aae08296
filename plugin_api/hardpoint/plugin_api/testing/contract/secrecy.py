"""Values of secrets stay out of everything that is written down."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import msgspec
import pytest

from hardpoint.plugin_api.errors import HardpointError, SecretMissingError
from hardpoint.plugin_api.phase import Phase
from hardpoint.plugin_api.testing.contract.calling import VERBS, prepared_call, raised
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect
from hardpoint.plugin_api.testing.fakes import FakeContext


class SecrecyContract(ContractPart[SwitchT]):
    """Where secrets must not appear."""

    @pytest.fixture
    def confided(self, trial: Trial[SwitchT]) -> Trial[SwitchT]:
        """The trial of a type that was given secrets."""
        if not self.secrets:
            pytest.skip(f"No `secrets` are given to the trial of task type `{trial.type.name}`")
        return trial

    def test_nothing_that_is_kept_holds_a_secret(self, confided: Trial[SwitchT]) -> None:
        """The journal keeps the task's spec, what was prepared, references, statuses and outputs."""
        request = confided.request()
        job, other = confided.create(), confided.create(confided.other_token(2))
        confided.service.finish(job.id)
        confided.service.finish(other.id, Phase.FAILED)
        kept: list[object] = [request, job, confided.poll(job, other), confided.outputs(job)]
        if confided.type.claims is None:
            kept.append(confided.handler.prepare(confided.context, request))
        self._expect_silent(msgspec.json.encode(each).decode() for each in kept)

    def test_nothing_that_is_logged_or_printed_holds_a_secret(
        self,
        confided: Trial[SwitchT],
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Not even at level DEBUG, by the context's logger or any other."""
        caplog.set_level(logging.DEBUG)
        confided.context.logger.setLevel(logging.DEBUG)
        for verb in VERBS:
            call = prepared_call(confided.another(), verb)
            confided.service.fail_next(503)
            raised(call)
        job = confided.create()
        confided.service.finish(job.id)
        confided.poll(job)
        confided.outputs(job)
        confided.cancel(job)
        self._expect_silent([*confided.context.logged, caplog.text, *capfd.readouterr()])

    @pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
    @pytest.mark.parametrize("verb", VERBS)
    def test_errors_hold_no_secret(self, confided: Trial[SwitchT], verb: str, status: int) -> None:
        """They are journaled and printed."""
        call = prepared_call(confided, verb)
        confided.service.fail_next(status)
        error = raised(call)
        texts = [repr(error), str(error), *confided.context.logged]
        if isinstance(error, HardpointError):
            texts.append(msgspec.json.encode(error.info()).decode())
        self._expect_silent(texts)

    def test_missing_secret_is_named(self, confided: Trial[SwitchT]) -> None:
        """And nothing starts without it."""
        confided.context = FakeContext()
        error = raised(confided.create)
        expect(
            isinstance(error, SecretMissingError),
            f"A missing secret is `SecretMissingError`, not `{error!r}`",
        )
        named = any(name in str(error) for name in self.secrets)
        expect(named, f"The error names the secret that is missing: `{error}`")
        expect(not confided.service.jobs_for(confided.token), "Nothing starts without its secrets")

    def test_reference_names_its_secrets(self, confided: Trial[SwitchT]) -> None:
        """So that a restarted executor resolves them again."""
        job = confided.create()
        unknown = set(job.secrets) - set(self.secrets)
        expect(not unknown, f"`JobRef.secrets` are names of secrets, not `{sorted(unknown)}`")

    def _expect_silent(self, texts: Iterable[str]) -> None:
        expect_silent(self.secrets, texts)


def expect_silent(secrets: Mapping[str, str], texts: Iterable[str]) -> None:
    """Fail if the value of a secret is in one of the texts; the promise names the secret, not its value."""
    for text in texts:
        for name, value in secrets.items():
            shown = text.replace(value, "…")
            expect(value not in text, f"The value of the secret `{name}` stays out of `{shown}`")
