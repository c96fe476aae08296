"""What every part of the contract works with: the service's switch, and one handler on trial."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import pytest

from hardpoint.plugin_api.declare import TaskType
from hardpoint.plugin_api.errors import TransientError
from hardpoint.plugin_api.handler import CreateRequest, Idempotency, JobHandler, JobRef
from hardpoint.plugin_api.identity import attempt_token
from hardpoint.plugin_api.phase import Phase, Status
from hardpoint.plugin_api.testing.fakes import FakeContext


class FaultSwitch(Protocol):
    """Steers a fake of the service and looks into it, past the plugin."""

    def lose_next_reply(self) -> None:
        """Let the next call that changes something take effect, and its answer never arrive."""

    def garble_next_reply(self) -> None:
        """Let the next call of any kind take effect, and its answer arrive broken."""

    def fail_next(self, status: int, *, retry_after_s: float | None = None) -> None:
        """Refuse the next call of any kind before any effect, with what means this HTTP status."""

    def settle(self) -> None:
        """Let listings show everything that was created so far."""

    def finish(self, job_id: str, phase: Phase = Phase.SUCCEEDED) -> None:
        """End a job now."""

    def jobs_for(self, token: str) -> Mapping[str, Phase]:
        """Every job that was ever started for a token, oldest first, with what became of it."""

    def calls_received(self) -> int:
        """Calls that reached the service, whatever came of them."""


SwitchT = TypeVar("SwitchT", bound=FaultSwitch)


def expect(kept: bool, promise: str) -> None:
    """Fail with the promise that was not kept."""
    if not kept:
        raise AssertionError(promise)


class Trial(Generic[SwitchT]):
    """One handler with a context of its own; `restarted` makes the next process's."""

    def __init__(self, contract: ContractPart[SwitchT], service: SwitchT) -> None:
        self.contract = contract
        self.service = service
        self.type = contract.task_type()
        self.handler = cast(JobHandler, self.type.handler())
        self.context = FakeContext(contract.secrets)
        # Unique: a sandbox of a real service remembers tokens of earlier runs.
        self._execution = uuid.uuid4().hex
        self.token = self.other_token(1)

    def other_token(self, number: int) -> str:
        """The token of attempt `number`."""
        return attempt_token(self._execution, "node", number, "digest")

    def request(self, token: str = "") -> CreateRequest:
        """A create request under this token, else under this trial's."""
        return self.contract.request(self.service, token or self.token)

    def restarted(self) -> Trial[SwitchT]:
        """Another handler and context for the same attempt, as after a restart of the executor."""
        other = Trial(self.contract, self.service)
        other._execution, other.token = self._execution, self.token
        return other

    def create(self, token: str = "") -> JobRef:
        """Create once."""
        return self.handler.create(self.context, self.request(token))

    def create_again(self, token: str = "") -> JobRef:
        """Create once more, when the executor would: a type that searches waits for the listings."""
        if self.type.idempotency is Idempotency.SEARCH:
            self.service.settle()
        return self.create(token)

    def create_with_lost_reply(self) -> None:
        """Create, and never learn the outcome; a handler that finds it out by itself is fine too."""
        self.service.lose_next_reply()
        with suppress(TransientError):
            self.create()

    def find(self, token: str = "") -> JobRef | None:
        """Find once the listings have settled."""
        self.service.settle()
        return self.handler.find(self.context, self.request(token))

    def sweep(self) -> None:
        """Cancel duplicates, as the executor does after a create that was repeated."""
        found = self.find()
        look = getattr(self.handler, "duplicates", None)
        if found is not None and look is not None:
            for duplicate in look(self.context, self.request(), found):
                self.handler.cancel(self.context, duplicate, "duplicate")

    def poll(self, *jobs: JobRef) -> Mapping[str, Status]:
        """Poll once."""
        return self.handler.poll_many(self.context, jobs)

    def phase(self, job: JobRef) -> Phase | None:
        """What a poll says of one job; None when it leaves it out."""
        status = self.poll(job).get(job.id)
        return None if status is None else status.phase

    def survivors(self, token: str = "") -> list[str]:
        """Ids of the token's jobs that were not cancelled."""
        jobs = self.service.jobs_for(token or self.token)
        return [job_id for job_id, phase in jobs.items() if phase is not Phase.CANCELLED]

    def expect_one_job(self, job: JobRef, when: str) -> None:
        """Fail unless this job is the only one of its token; of a searching type, the only survivor."""
        if self.type.idempotency is Idempotency.SEARCH:
            self.sweep()
            alive = self.survivors()
        else:
            alive = list(self.service.jobs_for(self.token))
        expect(alive == [job.id], f"One token, one job, {when}: got `{job.id}` of `{alive}`")


class ContractPart(Generic[SwitchT]):
    """What a subclass provides.

    Attributes:
        secrets: Values by name for the context. The suite looks for the values in everything returned.
        unknown_id: An id that the service does not know, but would accept.
        batch_jobs: How many jobs the test of batching creates.
        tells_retry_after: Whether the service says how long to wait.
    """

    secrets: ClassVar[Mapping[str, str]] = {}
    unknown_id: ClassVar[str] = "no-such-job"
    batch_jobs: ClassVar[int] = 50
    tells_retry_after: ClassVar[bool] = True

    def task_type(self) -> TaskType:
        """The task type on trial."""
        raise NotImplementedError

    def request(self, service: SwitchT, token: str) -> CreateRequest:
        """An attempt whose job runs until `service.finish`; equal tokens give equal requests."""
        raise NotImplementedError

    @pytest.fixture
    def service(self) -> Iterator[Any]:
        """A fixture that yields the switch of a service without jobs."""
        raise NotImplementedError

    @pytest.fixture
    def trial(self, service: SwitchT) -> Iterator[Trial[SwitchT]]:
        """The handler under test."""
        trial = Trial(self, service)
        yield trial
        trial.context.store.close()


def phases_of(statuses: Mapping[str, Status], jobs: Sequence[JobRef]) -> list[Phase | None]:
    """Phases in the order of the jobs; None for one that is missing."""
    return [statuses[job.id].phase if job.id in statuses else None for job in jobs]
