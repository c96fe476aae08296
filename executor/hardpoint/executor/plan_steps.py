"""A compiled workflow as work to simulate: what its nodes hold and take, and where that is known from."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from hardpoint.core.compile_errors import did_you_mean
from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.core.flatten import FlatGraph, FlatNode
from hardpoint.executor.durations import History, quantile
from hardpoint.executor.throttle.policy import PoolPolicy, Tenant
from hardpoint.executor.throttle.throttle import Throttle
from hardpoint.executor.what_if import Forecast, Step, simulate
from hardpoint.plugin_api import ResourceClaim, Resources, Shape, TaskSpec, TaskType, UsageError

RUN = "plan"
"""Stands for the run that is planned."""
PARALLELISM = "max_parallelism"
"""Stands for the pool of its nodes in flight."""
GUESS_S = 1.0
"""What a task takes of which nothing is known, where nothing is known of any."""
GIVEN, RECORDED, GUESSED, CACHED = "given", "recorded", "guessed", "cached"

Claims = tuple[ResourceClaim, ...]


class DurationsError(UsageError):
    """A file of durations cannot be read, or names what the workflow does not have."""


class Known(msgspec.Struct, frozen=True):
    """What is assumed of a node.

    Args:
        claims: What each item holds; `claims_guessed` if no attempt ever told.
        duration_s: How long each takes.
        basis: Where that is from: `given`, `recorded`, `guessed`, or `cached` if it need not run.
        items: How many; `items_guessed` if it maps over lists that are not known.
    """

    claims: Claims
    duration_s: float
    basis: str
    items: int = 1
    claims_guessed: bool = False
    items_guessed: bool = False


class Sources(msgspec.Struct, frozen=True):
    """Where it is from.

    Args:
        history: Of earlier runs.
        given: Seconds, by node or task.
        items: How many items nodes have whose lists are known.
        cached: Nodes whose outputs are there.
        machine: What Python tasks hold.
        task_type: What is declared of a task type.
    """

    history: History
    given: Mapping[str, float]
    items: Mapping[str, int]
    cached: Collection[str]
    machine: Callable[[Resources], Claims]
    task_type: Callable[[str], TaskType]


class Predicted(msgspec.Struct, frozen=True):
    """What would happen, on machines and services that do nothing else.

    Args:
        known: What was assumed, by node.
        forecast: With its limits.
        ideal_s: How long it would take without any.
        too_large: Claims that no pool could ever grant, in words.
    """

    known: dict[str, Known]
    forecast: Forecast
    ideal_s: float
    too_large: tuple[str, ...]


def predict(
    compiled: CompiledWorkflow,
    graph: FlatGraph,
    tenant: Tenant,
    sources: Sources,
    policy: Callable[[str], PoolPolicy],
    max_parallelism: int = 0,
) -> Predicted:
    """Simulate a run through a throttle of its own, on a clock that starts at 0.

    Args:
        compiled, graph: The workflow.
        tenant: Who runs it.
        sources: What is known of its nodes.
        policy: What holds for each pool.
        max_parallelism: Of the run; 0 for no limit.
    """
    guess_s = _typical_s(sources)
    known = {
        id: known_of(node, compiled.tasks[node.spec_key], sources, guess_s)
        for id, node in graph.nodes.items()
    }
    own = (ResourceClaim(PARALLELISM),) if max_parallelism else ()
    steps = [_step(node, known[id], tenant, own) for id, node in graph.nodes.items()]

    def policy_here(pool: str) -> PoolPolicy:
        return PoolPolicy(capacity=max_parallelism) if pool == PARALLELISM else policy(pool)

    throttle = Throttle(policy_here)
    forecast = simulate(steps, throttle, 0.0)
    free = [msgspec.structs.replace(step, claims=()) for step in steps]
    ideal_s = simulate(free, Throttle(policy_here), 0.0).ended_at or 0.0
    refused = tuple(each.error().message for each in throttle.too_large())
    return Predicted(known, forecast, ideal_s, refused)


def known_of(node: FlatNode, spec: TaskSpec, sources: Sources, guess_s: float) -> Known:
    """What is assumed of a node."""
    if node.id in sources.cached:
        return Known((), 0.0, CACHED)
    claims, claims_guessed = _claims(spec, sources)
    items, items_guessed = 1, False
    if node.map is not None:
        found = sources.items.get(node.id, sources.history.items.get(node.id))
        items, items_guessed = (1, True) if found is None else (found, node.id not in sources.items)
    samples = sources.history.seconds.get(spec.name)
    names = (node.id, spec.name, _short(spec.name))
    given = next((sources.given[name] for name in names if name in sources.given), None)
    if given is not None:
        seconds, basis = given, GIVEN
    elif samples:
        seconds, basis = quantile(samples, 0.5), RECORDED
    else:
        seconds, basis = guess_s, GUESSED
    return Known(claims, seconds, basis, items, claims_guessed, items_guessed)


def _claims(spec: TaskSpec, sources: Sources) -> tuple[Claims, bool]:
    declared = sources.task_type(spec.type)
    if declared.shape is Shape.FUNCTION:
        return sources.machine(spec.resources), False
    if declared.claims is not None:
        return declared.claims, False
    told = sources.history.claims.get(spec.name)
    # Only its plugin knows, and asking it may need the service: one unit of what it declares for all.
    return (told, False) if told is not None else ((ResourceClaim(f"{spec.type}:*"),), True)


def _typical_s(sources: Sources) -> float:
    every = [*sources.given.values(), *(quantile(each, 0.5) for each in sources.history.seconds.values())]
    return quantile(every, 0.5) if every else GUESS_S


def _step(node: FlatNode, known: Known, tenant: Tenant, own: Claims) -> Step:
    return Step(
        (RUN, node.id),
        tenant,
        (*known.claims, *own) if known.basis != CACHED else (),
        known.duration_s,
        tuple((RUN, up) for up in node.upstream),
        known.items,
        node.map.concurrency if node.map is not None else 0,
    )


def _short(task: str) -> str:
    """The name of a task without its file.

    >>> _short("flows/etl.py:load")
    'load'
    """
    return task.rpartition(":")[2]


# Given durations


def read_durations(path: Path) -> dict[str, float]:
    """Seconds by task or node, from a file in TOML or JSON.

    Raises:
        DurationsError: It cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        found = msgspec.convert(raw, dict[str, float])
    except OSError as error:
        raise DurationsError(
            f"The durations `{path}` cannot be read: {error.strerror}", hint="Name a file, or `recorded`"
        ) from error
    except (ValueError, msgspec.ValidationError) as error:
        raise DurationsError(
            f"The durations `{path}` are not seconds by task: {error}",
            hint='Write one line for each task or node, such as `"flow.py:load" = 12.5`',
        ) from error
    wrong = [name for name, seconds in found.items() if not 0.0 <= seconds < float("inf")]
    if wrong:
        raise DurationsError(
            f"The durations `{path}`: `{wrong[0]}` takes {found[wrong[0]]} s", hint="Give seconds from 0 on"
        )
    return found


def check_durations(given: Iterable[str], compiled: CompiledWorkflow, graph: FlatGraph, source: str) -> None:
    """Durations name tasks and nodes of the workflow; raises `DurationsError`."""
    tasks = {spec.name for spec in compiled.tasks.values()}
    known = {*tasks, *map(_short, tasks), *graph.nodes}
    for name in given:
        if name not in known:
            raise DurationsError(
                f"The durations `{source}`: the workflow has no task or node `{name}`",
                hint=did_you_mean(name, sorted(known), "`hardpoint plan` lists its nodes and tasks"),
            )
