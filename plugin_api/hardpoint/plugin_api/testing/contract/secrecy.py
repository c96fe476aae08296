"""Values of secrets stay out of everything that is written down."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from hardpoint.plugin_api.errors import HardpointError, SecretMissingError
from hardpoint.plugin_api.phase import Phase
from hardpoint.plugin_api.testing.contract.failing import VERBS, prepared_call, raised
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

    def test_references_and_statuses_hold_no_secret(self, confided: Trial[SwitchT]) -> None:
        """They are journaled."""
        prepared = confided.handler.prepare(confided.context, confided.request())
        job = confided.create()
        confided.service.finish(job.id, Phase.FAILED)
        self._expect_silent(
            msgspec.json.encode(kept).decode() for kept in (prepared, job, confided.poll(job))
        )
        self._expect_silent(confided.context.logged)

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
        request = confided.request()
        error = raised(lambda: confided.handler.create(FakeContext(), request))
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
        for text in texts:
            for name, value in self.secrets.items():
                expect(value not in text, f"The value of the secret `{name}` stays out of `{text}`")
