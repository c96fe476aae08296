"""The simulation finds what it is there for: each known mistake is made on purpose, and some seed tells."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from tests.simulation import world
from tests.simulation.faults import Engines, Faults, Wishes
from tests.simulation.plans import Plan, PlannedNode, PlannedTask
from tests.simulation.sim_network import Weather
from tests.simulation.sim_plugin import SETTLING_S, SimPlugin
from tests.simulation.sim_registry import registry_with
from tests.simulation.simulate import Ending, scenario, simulate, simulate_world

from hardpoint.executor.engine import cache_lookup, desk
from hardpoint.executor.engine.cache import cache_key
from hardpoint.executor.engine.chunk_end import ChunkEnd
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.governor import Governor
from hardpoint.executor.engine.job_end import JobEnd
from hardpoint.executor.engine.job_lane import JobLane
from hardpoint.executor.engine.limits import Limits
from hardpoint.executor.engine.loop import Engine
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.pool_policies import PoolPolicies
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.shared_pools import SharedPools
from hardpoint.executor.engine.upkeep import Upkeep
from hardpoint.executor.journal.events import Budget, JobMoved
from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.protocol import Append
from hardpoint.executor.throttle.policy import PoolPolicy
from hardpoint.executor.throttle.throttle import Throttle
from hardpoint.plugin_api import CreateRequest, ErrorInfo, ErrorKind, TaskSpec

MOST_SEEDS = 600
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def token_by_adoption(patch: Patch) -> None:
    honest = Run.request

    def request(self: Run, node: NodeRun, outputs_uri: str) -> CreateRequest:
        made = honest(self, node, outputs_uri)
        return msgspec.structs.replace(made, token=f"{made.token}-{self.state.generation}")

    patch.setattr(Run, "request", request)


def act_before_commit(patch: Patch) -> None:
    patch.setattr(Desk, "after_commit", lambda self, action, run=None: action())


def lease_margin_ignored(patch: Patch) -> None:
    patch.setattr(Upkeep, "owns_safely", lambda self: True)


def absence_believed_too_early(patch: Patch) -> None:
    hasty = registry_with(SimPlugin(dict.fromkeys(SETTLING_S, 0.0)))
    patch.setattr(world, "registry", lambda: hasty)


def nothing_given_back(patch: Patch) -> None:
    patch.setattr(Throttle, "release", lambda self, holder, now: None)


def pools_without_bottom(patch: Patch) -> None:
    patch.setattr(PoolPolicies, "policy", lambda self, pool: PoolPolicy())


def throttling_paid_by_the_author(patch: Patch) -> None:
    patch.setattr(desk, "budget_of", lambda error: Budget.USER)


def fence_ignored(patch: Patch) -> None:
    honest = MemoryJournal.commit

    def commit(self: MemoryJournal, appends: Sequence[Append], *, durable: bool) -> None:
        for each in appends:
            row, events = self.row(each.execution), self.read(each.execution)
            if row.fence != each.fence:
                each = msgspec.structs.replace(each, fence=row.fence, first_seq=len(events) + 1)
            honest(self, [each], durable=durable)

    patch.setattr(MemoryJournal, "commit", commit)


def state_without_event(patch: Patch) -> None:
    honest = JobLane.start

    def start(self: JobLane, run: Run, node: NodeRun) -> None:
        node.reason = "waits for its turn"
        honest(self, run, node)

    patch.setattr(JobLane, "start", start)


def cache_key_without_inputs(patch: Patch) -> None:
    def forgetful(spec: TaskSpec, inputs: dict[str, Any], project: str, domain: str) -> str:
        return cache_key(spec, {}, project, domain)

    patch.setattr(cache_lookup, "cache_key", forgetful)


def cancels_forgotten(patch: Patch) -> None:
    patch.setattr(JobEnd, "cancel", lambda self, run, node, job: None)


def retries_without_end(patch: Patch) -> None:
    patch.setattr(desk, "next_attempt_in_s", lambda *_, **__: 1.0)


def timeouts_forgotten(patch: Patch) -> None:
    patch.setattr(Limits, "runtime", lambda self, run, node: None)


def aborts_forgotten(patch: Patch) -> None:
    patch.setattr(Engine, "abort", lambda self, run_id, reason: None)


def unknown_outcomes_retried_as_new(patch: Patch) -> None:
    """A lost reply is taken for a refusal: the attempt ends, and the next one starts another job."""

    def is_lost(error: ErrorInfo) -> bool:
        return error.kind is ErrorKind.THROTTLED

    patch.setattr("hardpoint.executor.engine.job_create.may_pass", is_lost)
    patch.setattr(
        "hardpoint.executor.engine.job_create.JobCreate._unsettled",
        lambda self, run, node, error: self._end.failed(run, node, error),
    )


def split(seed: int) -> Ending:
    """A world in which one of two engines loses sight of the journal, and calls hang meanwhile."""
    plan, _ = scenario(seed)
    faults = Faults(
        engines=Engines(count=2, cut_off=((1.0, 200.0),)),
        weather=Weather(until_s=80.0, reply_lost=0.3),
        hang=0.3,
        step_most_s=3.0,
    )
    return simulate_world(seed, plan, faults)


def crowded(seed: int) -> Ending:
    """A world of two engines over one database, each with a run, that claim units of the same pools."""
    plan, _ = scenario(seed)
    faults = Faults(
        engines=Engines(count=2, kills=((3.0 + seed % 7,) if seed % 3 else ()), restart_s=2.0),
        weather=Weather(until_s=20.0, reply_lost=0.1),
        wishes=Wishes(second_at_s=0.5),
        sql=True,
    )
    return simulate_world(seed, plan, faults)


def bereft(seed: int) -> Ending:
    """A world whose engine dies while a function holds all there is of a pool."""
    task = PlannedTask("sim_function", 0, duration_s=9.0, pool="sim:one")
    plan = Plan({task.name: task}, (PlannedNode("n0", task.name),))
    return simulate_world(seed, plan, Faults(engines=Engines(kills=(3.0,), restart_s=2.0), sql=True))


def functions_that_died_hold_on(patch: Patch) -> None:
    patch.setattr(Governor, "give_back", lambda self, run, node, claims: None)


def others_ignored(patch: Patch) -> None:
    patch.setattr(SharedPools, "_tell_held", lambda self, key, now: None)


def grants_kept_from_others(patch: Patch) -> None:
    honest = Run.take_append

    def take_append(self: Run, now: float) -> Append | None:
        self.granted = []
        return honest(self, now)

    patch.setattr(Run, "take_append", take_append)


def usage_only_remembered(patch: Patch) -> None:
    """What a job used is not journaled before its outputs are read."""

    def moved(*fields: Any) -> JobMoved:
        made = JobMoved(*fields)
        return msgspec.structs.replace(made, usage=None)

    patch.setattr("hardpoint.executor.engine.job_end.JobMoved", moved)


def usage_told_by_every_item(patch: Patch) -> None:
    honest = ChunkEnd._item_over

    def item_over(self: ChunkEnd, run: Run, chunk: NodeRun, unit: NodeRun) -> dict[str, float] | None:
        told = self._attempts.notes(run).usage.get(chunk.id)
        return honest(self, run, chunk, unit) or told

    patch.setattr(ChunkEnd, "_item_over", item_over)


MISTAKES: list[tuple[Callable[[Patch], None], str]] = [
    (token_by_adoption, r"made for attempt|for one token"),
    (act_before_commit, r"before the journal says so|made for attempt"),
    (lease_margin_ignored, r"which engine-\d-\d+ owns"),
    (absence_believed_too_early, r"left running|for one token|made for attempt|jobs hold"),
    (nothing_given_back, r"not over after"),
    (pools_without_bottom, r"jobs hold \d+ units"),
    (throttling_paid_by_the_author, r"uses the budget of user"),
    (fence_ignored, r"follows event|the engine stopped|not the journal's"),
    (state_without_event, r"the owner's state is not the journal's"),
    (cache_key_without_inputs, r"returns .* a run without faults"),
    (cancels_forgotten, r"not over after|left running"),
    (retries_without_end, r"user errors with a budget|another attempt after"),
    (timeouts_forgotten, r"after its timeout nobody has cancelled it"),
    (aborts_forgotten, r"is forgotten before it was obeyed"),
    (unknown_outcomes_retried_as_new, r"left running|made for attempt|ended as FAILED"),
    (usage_only_remembered, r"journaled with the usage None"),
    (usage_told_by_every_item, r"and the service tells None"),
    (others_ignored, r"jobs hold \d+ units"),
    (grants_kept_from_others, r"jobs hold \d+ units"),
    (functions_that_died_hold_on, r"not over after"),
]
WORLDS: dict[Callable[[Patch], None], Callable[[int], Ending]] = {
    lease_margin_ignored: split,
    others_ignored: crowded,
    grants_kept_from_others: crowded,
    functions_that_died_hold_on: bereft,
}


@pytest.mark.parametrize("seed", range(0, 400, 40))
def test_without_a_mistake_a_split_world_keeps_its_promises(seed: int) -> None:
    assert split(seed).problem == ""


def test_a_function_whose_engine_dies_gives_back_what_it_held() -> None:
    assert bereft(0).problem == ""


@pytest.mark.parametrize("seed", range(0, 120, 10))
def test_engines_that_share_pools_hold_no_more_than_there_is(seed: int) -> None:
    assert crowded(seed).problem == ""


@pytest.mark.parametrize(("mistake", "told"), MISTAKES, ids=[mistake.__name__ for mistake, _ in MISTAKES])
def test_some_seed_tells(mistake: Callable[[Patch], None], told: str, monkeypatch: Patch) -> None:
    mistake(monkeypatch)
    run = WORLDS.get(mistake, simulate)
    problems = (run(seed).problem for seed in range(MOST_SEEDS))
    assert next((problem for problem in problems if re.search(told, problem)), "nothing found")
