"""`hardpoint plan --pools`: how long a run would take within its limits, and which pool limits it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.core.compiled import CompiledWorkflow, FromInput
from hardpoint.core.flatten import FlatGraph
from hardpoint.executor.api import DEFAULT_DOMAIN, DEFAULT_PROJECT
from hardpoint.executor.cli.forecast import HIT
from hardpoint.executor.cli.options import PlanOptions
from hardpoint.executor.cli.output import text_table
from hardpoint.executor.cli.wording import duration
from hardpoint.executor.durations import recorded
from hardpoint.executor.journal.protocol import Journal
from hardpoint.executor.plan_steps import (
    GUESSED,
    RUN,
    Known,
    Predicted,
    Sources,
    check_durations,
    predict,
    read_durations,
)
from hardpoint.executor.pool_reading import PoolReading, settings_of
from hardpoint.executor.situation import Situation
from hardpoint.executor.throttle.policy import Tenant
from hardpoint.executor.waits import with_workers
from hardpoint.executor.what_if import Course
from hardpoint.plugin_api import Wire
from hardpoint.registry import Registry

FROM_HISTORY = "recorded"
"""What `--durations` means if no file is given."""
SHOWN = 40


def prediction(
    compiled: CompiledWorkflow,
    graph: FlatGraph,
    wires: Mapping[str, Wire],
    cached: Mapping[str, str],
    registry: Registry,
    journal: Journal,
    folder: Path,
    options: PlanOptions,
) -> Predicted:
    """Simulate a run.

    Args:
        compiled, graph: The workflow.
        wires: Inputs that are known.
        cached: What the cache says of each node.
        registry: Its task types are loaded.
        journal, folder: The store.
        options: Of the command.

    Raises:
        DurationsError: The file of durations does not fit.
    """
    given: dict[str, float] = {}
    if options.durations and options.durations != FROM_HISTORY:
        given = read_durations(Path(options.durations))
        check_durations(given, compiled, graph, options.durations)
    settings = settings_of(folder)
    reading = PoolReading(journal, registry, settings)
    sources = Sources(
        recorded(journal, [compiled.body.name]),
        given,
        _items(graph, wires),
        {id for id, state in cached.items() if state == HIT},
        reading.policies.claims,
        registry.task_type,
    )
    workers = options.workers or settings.local.workers or max(2, os.cpu_count() or 1)
    policy = with_workers(reading.policies.policy, Situation(), workers)
    tenant = Tenant(options.project or DEFAULT_PROJECT, options.domain or DEFAULT_DOMAIN)
    return predict(compiled, graph, tenant, sources, policy, options.max_parallelism)


def _items(graph: FlatGraph, wires: Mapping[str, Wire]) -> dict[str, int]:
    """How many items nodes have that map over an input of the workflow."""
    found = {}
    for node in graph.nodes.values():
        bound = dict(node.inputs)
        for name in node.map.over if node.map is not None else ():
            binding = bound[name]
            wire = wires.get(binding.name) if isinstance(binding, FromInput) else None
            if isinstance(wire, list):
                found[node.id] = len(wire)
    return found


def prediction_lines(found: Predicted) -> Iterator[str]:
    """A prediction for people."""
    forecast = found.forecast
    yield from ["", f"In pools: {_summary(found)}"]
    if forecast.chain and forecast.limiting:
        waits = ", ".join(f"{duration(seconds)} for {pool}" for pool, seconds in _waited(forecast.waited_s))
        yield f"Its longest chain, {' → '.join(id for _, id in forecast.chain)}, waits {waits}"
    guessed = sorted({id for id, known in found.known.items() if known.basis == GUESSED})
    if guessed:
        each_s = found.known[guessed[0]].duration_s
        yield f"Guessed, {duration(each_s)} each, for want of a history: {_listed(guessed)}"
    unknown = [id for id, known in found.known.items() if known.items_guessed]
    if unknown:
        yield f"As many items as last time, or one: {_listed(unknown)}"
    claims = [id for id, known in found.known.items() if known.claims_guessed]
    if claims:
        yield f"One unit of what its plugin declares for all, since no attempt told: {_listed(claims)}"
    yield from (f"Refused: {each}" for each in found.too_large)
    rows = [_row(id, known, forecast.courses[RUN, id]) for id, known in found.known.items()]
    if rows:
        headers = ["NODE", "ITEMS", "TAKES", "FROM", "BEGINS", "ENDS", "WAITS FOR"]
        yield from ["", *text_table(headers, rows[:SHOWN])]
    if len(rows) > SHOWN:
        yield f"… and {len(rows) - SHOWN} more: `--json` tells all"


def _summary(found: Predicted) -> str:
    ended_at, limiting = found.forecast.ended_at, found.forecast.limiting
    if ended_at is None:
        return "it would never end"
    by = f"limited by `{limiting}`" if limiting else "limited by no pool"
    return f"{duration(ended_at)}, {by}; without any limit {duration(found.ideal_s)}"


def _waited(waited_s: Mapping[str, float]) -> list[tuple[str, float]]:
    found = [(pool, seconds) for pool, seconds in waited_s.items() if seconds > 0.0]
    return sorted(found, key=lambda each: -each[1])


def _listed(ids: list[str]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(f"`{id}`" for id in ids[:5]) + more


def _row(id: str, known: Known, course: Course) -> list[str]:
    waits = ", ".join(f"{pool} {duration(seconds)}" for pool, seconds in _waited(course.waited_s))
    times = [duration(course.began_at) or "never", duration(course.ended_at) or "never"]
    return [id, str(known.items), duration(known.duration_s), known.basis, *times, waits]


def prediction_json(found: Predicted) -> dict[str, Any]:
    """A prediction for programs; all times in seconds since the run begins."""
    forecast = found.forecast
    nodes = []
    for id, known in found.known.items():
        course = forecast.courses[RUN, id]
        nodes.append(
            {
                "node": id,
                **msgspec.to_builtins(known),
                "ready_s": course.ready_at,
                "begins_s": course.began_at,
                "ends_s": course.ended_at,
                "waited_s": course.waited_s,
            }
        )
    return {
        "makespan_s": forecast.ended_at,
        "without_limits_s": found.ideal_s,
        "limiting_pool": forecast.limiting or None,
        "chain": [id for _, id in forecast.chain],
        "waited_s": forecast.waited_s,
        "guessed": sorted(id for id, known in found.known.items() if known.basis == GUESSED),
        "too_large": list(found.too_large),
        "nodes": nodes,
    }
