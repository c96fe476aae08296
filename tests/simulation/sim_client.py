"""The service's client library, as handlers use it: each method is one call over the simulated network."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar, cast

from tests.simulation.sim_network import SimNetwork
from tests.simulation.sim_service import Job, SimService
from tests.simulation.sim_stream import LeftOpenError, Stream
from tests.simulation.virtual_time import Machine, MachineClock

from hardpoint.plugin_api import Context, CreateRequest, Inputs, TransientError

T = TypeVar("T")


class Client:
    """Calls of one process.

    Args:
        service: Where they arrive.
        network: How they fare.
        settling_s: By task type, what it declares: nothing is carried out later than that.
        alive: Whether the process still is.
        wrote: Told, when a call that changes something arrives, what it asks for and what it is about.
        dice: For handlers that misbehave.
        roughness: How often such a handler does.
    """

    def __init__(
        self,
        service: SimService,
        network: SimNetwork,
        settling_s: Callable[[str], float],
        alive: Callable[[], bool],
        wrote: Callable[[str, tuple[str, str, int]], None],
        dice: random.Random,
        roughness: float,
    ) -> None:
        self._service = service
        self._network = network
        self._settling_s = settling_s
        self._alive = alive
        self._wrote = wrote
        self._dice = dice
        self._roughness = roughness

    @property
    def now_s(self) -> float:
        """Virtual seconds."""
        return self._service.now_s

    def create_once(self, request: CreateRequest, items: Sequence[Inputs] = ()) -> Job:
        """Start a job under an idempotency token; with `items`, one that computes each of them."""
        return self._create(request, items, self._service.create_once)

    def create_named(self, request: CreateRequest) -> Job:
        """Start a job under a name."""
        return self._create(request, (), self._service.create_named)

    def create(self, request: CreateRequest) -> Job:
        """Start a job."""
        return self._create(request, (), self._service.create)

    def _create(
        self,
        request: CreateRequest,
        items: Sequence[Inputs],
        start: Callable[[CreateRequest, Sequence[Inputs], float], Job],
    ) -> Job:
        settling_s = self._settling_s(request.spec.type)
        spare_s = settling_s * (1.0 - self._network.weather.lag)

        def effect() -> Job:
            self._wrote("create", (request.execution, request.node, request.attempt))
            return start(request, items or (request.inputs,), self._network.lag_s(settling_s))

        name = f"create {request.node}/{request.attempt}"
        return self._network.call(name, effect, self._alive, latest_s=spare_s * 0.99)

    def named(self, name: str) -> Job:
        """The job of that name."""
        return self._call("read", lambda: self._service.of_token(name)[0])

    def listed(self, token: str) -> list[Job]:
        """What a listing shows for a token, oldest first."""
        return self._call("list", lambda: self._service.listed(token))

    def get(self, ids: Sequence[str]) -> dict[str, Job]:
        """Jobs by id; those it does not know are left out."""
        blind = self._network.weather.blind
        jobs = self._service.jobs

        def effect() -> dict[str, Job]:
            now_s = self._service.now_s
            return {id: jobs[id] for id in ids if id in jobs and not (blind and jobs[id].visible_s > now_s)}

        return self._call("get", effect)

    def known(self, id: str) -> Job:
        """One job."""
        found = self.get([id]).get(id)
        if found is None:
            raise TransientError(f"the service does not know {id} yet")
        return found

    def cancel(self, id: str) -> None:
        """Ask for the end of a job."""
        job = self._service.jobs[id]

        def effect() -> None:
            self._wrote("cancel", (job.execution, job.node, job.attempt))
            self._service.cancel(id)

        self._call(f"cancel {id}", effect)

    def _call(self, name: str, effect: Callable[[], T]) -> T:
        return self._network.call(name, effect, self._alive)

    def subscribe(self, type: str, tell: Callable[[Job], None]) -> NoReturn:
        """Open a stream of what becomes of jobs of a type, and leave it open."""

        def is_wanted(job: Job) -> bool:
            return job.type == type and self._alive()

        network = self._network
        raise LeftOpenError(Stream(self._service, network.time, self._dice, network.weather, is_wanted, tell))

    def rough(self, verb: str, right: T, *wrong: object) -> T:
        """The right answer of a verb, mostly; else one of those that are wrong, or an exception."""
        if self._dice.random() >= self._roughness or not self._network.is_bad:
            return right
        chosen = self._dice.randrange(len(wrong) + 1)
        self._network.note("fault", f"{verb} misbehaves, way {chosen}")
        if chosen == len(wrong):
            raise KeyError(f"{verb} found no such key")
        return cast(T, wrong[chosen])


class ProcessClock(MachineClock):
    """The clock of a process, by which its handlers find its client."""

    def __init__(self, machine: Machine, awake: Callable[[], None], client: Client) -> None:
        super().__init__(machine, awake)
        self.client = client


def client_of(context: Context) -> Client:
    """The client of the process that called a handler."""
    clock = context.clock
    assert isinstance(clock, ProcessClock)
    return clock.client
