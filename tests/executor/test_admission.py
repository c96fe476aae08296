"""A run is refused before its first event if a task cannot run as it stands."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hardpoint.core import workflow
from hardpoint.executor import Executor
from hardpoint.executor.admission import TaskRefusedError
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import LEASE_S, LeaseLostError
from hardpoint.plugin_api import (
    AnyHandler,
    Context,
    CreateRequest,
    Idempotency,
    JobRef,
    Outputs,
    Parameter,
    Phase,
    Prepared,
    ResourceClaim,
    ResourcePool,
    Shape,
    Status,
    TaskDefinition,
    TaskType,
    hookimpl,
)
from hardpoint.registry import NoPluginError


class OddConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int = 1
    at_least_once: bool = False


class OddHandler:
    """A service in memory whose jobs end at once, unless told not to; `prepare` waits to be let go."""

    def __init__(self, let_go: threading.Event) -> None:
        self._let_go = let_go
        self.created: list[str] = []
        self.ends = True

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        self._let_go.wait(20)
        return Prepared("here", (ResourceClaim("odd:here", request.spec.config.get("size", 1)),))

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        self.created.append(request.node)
        return JobRef(request.token, "here")

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        return None

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        phase = Phase.SUCCEEDED if self.ends else Phase.RUNNING
        return {job.id: Status(phase) for job in jobs}

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        return {"result": 7}

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        """Nothing to do: the test takes the run away."""


class OddPlugin:
    def __init__(self, shape: Shape = Shape.JOB, idempotency: Idempotency = Idempotency.NONE) -> None:
        self.let_go = threading.Event()
        self.handler = OddHandler(self.let_go)
        self._shape, self._idempotency = shape, idempotency

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        def make() -> AnyHandler:
            return self.handler

        return [TaskType("odd", self._shape, make, config=OddConfig, idempotency=self._idempotency)]

    @hookimpl
    def resource_pools(self) -> Iterable[ResourcePool]:
        return [ResourcePool("odd:*", capacity=2)]


def odd(type: str = "odd", **config: Any) -> TaskDefinition:
    return TaskDefinition(
        name="work",
        task_type=type,
        file=Path(__file__),
        inputs={"value": Parameter(int)},
        outputs={"result": int},
        config=config,
    )


plain, wrong, unknown = odd(), odd(size="big", colour="red"), odd(type="od")
full = odd(at_least_once=True, size=2)
accepted, huge = odd(at_least_once=True), odd(at_least_once=True, size=3)


@workflow
def plain_flow() -> int:
    result: int = plain(value=1)
    return result


@workflow
def wrong_flow() -> int:
    result: int = wrong(value=1)
    return result


@workflow
def unknown_flow() -> int:
    result: int = unknown(value=1)
    return result


@workflow
def accepted_flow() -> list[int]:
    return [accepted(value=n) for n in range(5)]


@workflow
def full_flow() -> int:
    result: int = full(value=1)
    return result


@workflow
def huge_flow() -> int:
    result: int = huge(value=1)
    return result


WHERE = "Task `tests/executor/test_admission.py:work` of type `odd`"


def refusal(home: Path, flow: Any, plugin: OddPlugin) -> str:
    with Executor(home, plugins={"odd": plugin}) as executor:
        with pytest.raises(TaskRefusedError) as caught:
            executor.submit(flow)
        assert executor.journal.rows() == []
    return str(caught.value)


def test_a_service_without_idempotency_must_be_accepted(tmp_path: Path) -> None:
    assert refusal(tmp_path, plain_flow, OddPlugin()) == (
        f"{WHERE}: its service cannot tell a repeated create, so a crash may start a job twice\n\n"
        "hint: Accept that with `at_least_once=True` in the task's config, if it does no harm"
    )


def test_a_config_is_checked_before_anything_starts(tmp_path: Path) -> None:
    assert refusal(tmp_path, wrong_flow, OddPlugin(idempotency=Idempotency.NAME)) == (
        f"{WHERE}: its config does not fit: Expected `int`, got `str` - at `$.size`\n\n"
        "hint: `hardpoint plugins show odd` lists its fields"
    )


def test_an_unknown_task_type_is_never_a_silent_default(tmp_path: Path) -> None:
    with (
        Executor(tmp_path, plugins={"odd": OddPlugin()}) as executor,
        pytest.raises(NoPluginError) as caught,
    ):
        executor.submit(unknown_flow)
    assert caught.value.hint == "Did you mean `odd`?"


def test_claims_wait_for_their_pool_and_all_are_served(tmp_path: Path) -> None:
    plugin = OddPlugin()
    plugin.let_go.set()
    with Executor(tmp_path, plugins={"odd": plugin}) as executor:
        assert executor.submit(accepted_flow).result(30) == [7] * 5
    assert len(plugin.handler.created) == 5


def test_a_claim_larger_than_its_pool_fails_at_once(tmp_path: Path) -> None:
    plugin = OddPlugin()
    plugin.let_go.set()
    with Executor(tmp_path, plugins={"odd": plugin}) as executor:
        error = executor.submit(huge_flow).outcome(30).error
    assert error is not None
    assert error.message == "A claim of 3 units of pool `odd:here` can never be granted: the pool has 2"


def test_units_of_a_run_that_another_engine_took_stay_held_until_its_job_ends(tmp_path: Path) -> None:
    plugin = OddPlugin()
    plugin.handler.ends = False
    plugin.let_go.set()
    with Executor(tmp_path, plugins={"odd": plugin}) as executor:
        lost = executor.submit(full_flow)
        for event in lost.events():
            if event.kind == "JobCreated":
                taken = executor.journal.claim(lost.id, "thief", now=time.time() + 2 * LEASE_S)
                lost.abort()
        with pytest.raises(LeaseLostError):
            lost.outcome(30)
        waiting = executor.submit(full_flow)
        assert taken is not None
        assert [execution for execution, _ in executor.journal.pools.leases("odd:here")] == [lost.id]
        plugin.handler.ends = True
        executor.journal.release({lost.id: taken.fence})
        assert executor.resume(lost.id).outcome(30).phase is RunPhase.SUCCEEDED
        assert waiting.result(30) == 7


def test_an_abort_while_a_plugin_prepares_ends_the_run_once(tmp_path: Path) -> None:
    plugin = OddPlugin()
    with Executor(tmp_path, plugins={"odd": plugin}) as executor:
        execution = executor.submit(accepted_flow)
        execution.abort("enough")
        assert execution.outcome(30).phase is RunPhase.ABORTED
        plugin.let_go.set()
        kinds = [event.kind for event in execution.events()]
    assert kinds[-1] == "Ended"
    assert plugin.handler.created == []
