"""What every part of the contract works with: the author's answers, and one handler on trial."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Generic, cast

import pytest

from hardpoint.plugin_api.context import Outputs
from hardpoint.plugin_api.errors import TransientError
from hardpoint.plugin_api.handler import CreateRequest, Idempotency, JobHandler, JobRef, Kept
from hardpoint.plugin_api.identity import attempt_token
from hardpoint.plugin_api.phase import ArrayStatus, Phase, Status
from hardpoint.plugin_api.testing.contract.discovering import DiscoveringContract, expect
from hardpoint.plugin_api.testing.contract.switch import FaultSwitch, SwitchT
from hardpoint.plugin_api.testing.fakes import FakeContext

__all__ = ["AnyStatus", "ContractPart", "FaultSwitch", "SwitchT", "Trial", "expect", "phases_of"]

AnyStatus = Status | ArrayStatus


class Trial(Generic[SwitchT]):
    """One handler with a context of its own; `restarted` makes the next process's."""

    def __init__(self, contract: ContractPart[SwitchT], service: SwitchT) -> None:
        self.contract = contract
        self.service = service
        self.type = contract.task_type()
        self.handler = cast(JobHandler, self.type.handler())
        self.context = FakeContext(contract.secrets)
        self.make_request: Callable[[SwitchT, str], CreateRequest] = contract.request
        # Unique: a sandbox of a real service remembers tokens of earlier runs.
        self._execution = uuid.uuid4().hex
        self.token = self.other_token(1)

    def another(self) -> Trial[SwitchT]:
        """A trial of another attempt, at the same service."""
        return type(self)(self.contract, self.service)

    def other_token(self, number: int) -> str:
        """The token of attempt `number`."""
        return attempt_token(self._execution, "node", number, "digest")

    def request(self, token: str = "") -> CreateRequest:
        """A create request under this token, else under this trial's."""
        return self.make_request(self.service, token or self.token)

    def restarted(self) -> Trial[SwitchT]:
        """Another handler and context for the same attempt, as after a restart of the executor."""
        other = self.another()
        other.make_request = self.make_request
        other._execution, other.token = self._execution, self.token
        return other

    def create(self, token: str = "") -> JobRef:
        """Create once."""
        return self.handler.create(self.context, self.request(token))

    def create_again(self, token: str = "") -> JobRef:
        """Create once more, as the executor would: of a type that searches it first looks for the job."""
        found = self.find(token) if self.type.idempotency is Idempotency.SEARCH else None
        return found or self.create(token)

    def create_with_lost_reply(self) -> None:
        """Create, and never learn the outcome; a handler that finds it out by itself is fine too."""
        self.service.lose_next_reply()
        with suppress(TransientError):
            self.create()

    def find(self, token: str = "") -> JobRef | None:
        """Find once the listings have settled."""
        self.service.settle()
        return self.handler.find(self.context, self.request(token))

    def sweep(self, keep: JobRef) -> None:
        """Cancel duplicates, as the executor does after a create that was repeated."""
        self.service.settle()
        look = getattr(self.handler, "duplicates", None)
        for duplicate in [] if look is None else look(self.context, [Kept(self.request(), keep)]):
            self.handler.cancel(self.context, duplicate, "duplicate")

    def poll(self, *jobs: JobRef) -> Mapping[str, AnyStatus]:
        """Poll once."""
        return self.handler.poll_many(self.context, jobs)

    def outputs(self, job: JobRef) -> Mapping[Any, Outputs]:
        """Outputs of a job that succeeded, by item; a plain job is item 0."""
        return {0: self.handler.outputs(self.context, self.request(), job)}

    def cancel(self, job: JobRef) -> None:
        """Cancel once."""
        self.handler.cancel(self.context, job, "contract")

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
            self.sweep(job)
            alive = self.survivors()
        else:
            alive = list(self.service.jobs_for(self.token))
        expect(alive == [job.id], f"One token, one job, {when}: got `{job.id}` of `{alive}`")


class ContractPart(DiscoveringContract, Generic[SwitchT]):
    """What a subclass provides, besides what every contract asks for.

    Attributes:
        vendor_states: Every state that the vendor documents, and the phase that it means.
        unknown_id: An id that the service does not know, but would accept.
        batch_jobs: How many jobs the test of batching creates.
        tells_retry_after: Whether the service says how long to wait.
    """

    vendor_states: ClassVar[Mapping[str, Phase]] = {}
    unknown_id: ClassVar[str] = "no-such-job"
    batch_jobs: ClassVar[int] = 50
    tells_retry_after: ClassVar[bool] = True
    trial_class: ClassVar[type[Trial[Any]]] = Trial

    def request(self, service: SwitchT, token: str) -> CreateRequest:
        """An attempt whose job runs until `service.finish`; equal tokens give equal requests."""
        raise NotImplementedError

    def impatient_request(self, service: SwitchT, token: str) -> CreateRequest:
        """The same for the tests of timeouts: if it can be said, with a short wait for answers."""
        return self.request(service, token)

    @pytest.fixture
    def service(self) -> Iterator[Any]:
        """A fixture that yields the switch of a service without jobs."""
        raise NotImplementedError

    @pytest.fixture
    def trial(self, service: SwitchT) -> Iterator[Trial[SwitchT]]:
        """The handler under test."""
        trial: Trial[SwitchT] = self.trial_class(self, service)
        yield trial
        trial.context.store.close()

    @pytest.fixture
    def example_config(self, trial: Trial[SwitchT]) -> dict[str, Any]:
        """The config of the request on trial."""
        return trial.request().spec.config


def phases_of(statuses: Mapping[str, AnyStatus], jobs: Sequence[JobRef]) -> list[Phase | None]:
    """Phases in the order of the jobs; None for one that is missing."""
    return [statuses[job.id].phase if job.id in statuses else None for job in jobs]
