"""`hardpoint plan`: what a run would do, without running anything."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.core.flatten import FlatGraph, flatten
from hardpoint.core.runnable import Runnable
from hardpoint.core.store import BlobStore
from hardpoint.executor.api import DEFAULT_DOMAIN, DEFAULT_PROJECT
from hardpoint.executor.cli.arrays import mapped_words
from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.flows import file_and_name, open_workflow, quiet_logs
from hardpoint.executor.cli.forecast import HIT, MISS, PARTLY, UNKNOWN, Chain, cache_states, longest_chain
from hardpoint.executor.cli.inputs import help_lines, read_inputs
from hardpoint.executor.cli.options import PLAN_OPTIONS, PlanOptions
from hardpoint.executor.cli.output import patience, say, say_json, table
from hardpoint.executor.cli.plan_decided import foreseen, foreseen_json, foreseen_lines
from hardpoint.executor.cli.plan_estimate import estimates, estimates_json, estimates_lines
from hardpoint.executor.cli.plan_pools import prediction, prediction_json, prediction_lines
from hardpoint.executor.cli.plugins import BUILT_IN, the_registry
from hardpoint.executor.cli.pools import broadest
from hardpoint.executor.cli.wording import duration, plural
from hardpoint.executor.cli.words import Parsed, parse_words
from hardpoint.executor.estimating import Estimates
from hardpoint.executor.home import home_path
from hardpoint.executor.plan_steps import Predicted
from hardpoint.executor.view import existing_store, recorded_durations_s
from hardpoint.plugin_api import TaskSpec, Wire
from hardpoint.registry import Registry


def print_plan(words: Sequence[str], options: PlanOptions) -> int:
    """Print what a run would do.

    Args:
        words: FILE, WORKFLOW, and as many inputs as are known.
        options: Those before FILE.
    """
    file, name, rest = file_and_name(words)
    workflow = open_workflow(file, name, "plan")
    parsed = parse_words(rest, workflow.interface, PLAN_OPTIONS)
    options = parsed.merged(options)
    if options.help:
        say(*help_lines(file, name, workflow))
        return DONE
    if options.json:
        quiet_logs()
    compiled = workflow.compile()
    registry = the_registry(options.home)
    registry.require({spec.type for spec in compiled.tasks.values()})
    with patience("reading the inputs"):
        wires = _inputs(workflow, parsed, options)
    graph = flatten(compiled)
    found = foreseen(compiled, graph, wires, registry, options)
    compiled = found.decided.compiled
    project, domain = options.project or DEFAULT_PROJECT, options.domain or DEFAULT_DOMAIN
    told: Predicted | None = None
    asked: Estimates | None = None
    with existing_store(options.home) as (folder, journal):
        cached = cache_states(compiled, graph, wires, journal, project, domain)
        chain = longest_chain(graph, recorded_durations_s(journal, compiled.body.name))
        if options.pools:
            told = prediction(compiled, graph, wires, cached, registry, journal, folder, options)
        if options.estimate:
            with patience("asking services for estimates"):
                asked = estimates(compiled, graph, wires, cached, registry, folder, (project, domain))
    rows = _rows(compiled, graph, registry, cached)
    if options.json:
        more = {} if told is None else {"pools": prediction_json(told)}
        more |= {} if asked is None else {"estimates": estimates_json(asked)}
        say_json({**_as_json(compiled, rows, chain), **foreseen_json(found), **more})
    else:
        _print_table(compiled, graph, rows, chain)
        say(*foreseen_lines(found))
        say(*(() if told is None else prediction_lines(told)))
        say(*(() if asked is None else estimates_lines(asked)))
    return DONE


def _inputs(workflow: Runnable, parsed: Parsed, options: PlanOptions) -> dict[str, Wire]:
    blobs = home_path(options.home, os.environ) / "blobs"
    if blobs.exists():
        return read_inputs(workflow.interface, parsed, BlobStore(str(blobs)), partly=True)
    # A plan leaves no store behind where none was.
    with tempfile.TemporaryDirectory(prefix="hardpoint-") as folder:
        return read_inputs(workflow.interface, parsed, BlobStore(str(Path(folder))), partly=True)


def _rows(
    compiled: CompiledWorkflow, graph: FlatGraph, registry: Registry, cached: dict[str, str]
) -> list[dict[str, Any]]:
    homes = {each.name: _distribution(each.distribution, each.version) for each in registry.installed()}
    rows = []
    for node in graph.nodes.values():
        spec = compiled.tasks[node.spec_key]
        pools = [each.name for each in registry.pools() if each.name.partition(":")[0] == spec.type]
        row = {"node": node.id, "task": spec.name, "type": spec.type, "plugin": homes.get(spec.type, "")}
        limits = {
            "attempts": spec.retry.attempts,
            "timeout_s": spec.timeout_s,
            "queue_timeout_s": spec.queue_timeout_s,
            "deadline_s": spec.deadline_s,
        }
        resources = _resources(spec)
        upstream = list(node.upstream)
        rows.append(
            {
                **row,
                "map": msgspec.to_builtins(node.map),
                "upstream": upstream,
                "pools": pools,
                **resources,
                **limits,
                "cache": cached[node.id],
            }
        )
    return rows


def _distribution(name: str, version: str) -> str:
    return f"{name} {version}" if name else BUILT_IN


def _resources(spec: TaskSpec) -> dict[str, Any]:
    wanted = spec.resources
    return {"cpu": wanted.cpu, "memory_bytes": wanted.memory_bytes, "gpu": wanted.gpu}


def _as_json(compiled: CompiledWorkflow, rows: list[dict[str, Any]], chain: Chain) -> dict[str, Any]:
    return {
        "workflow": compiled.body.name,
        "digest": compiled.digest,
        "nodes": rows,
        "critical_path": {"nodes": chain.nodes, "duration_s": chain.duration_s},
    }


def _print_table(
    compiled: CompiledWorkflow, graph: FlatGraph, rows: list[dict[str, Any]], chain: Chain
) -> None:
    say(f"{compiled.body.name}: {plural(len(rows), 'node')}, digest {compiled.digest[:12]}")
    if not rows:
        return
    say("")
    headers = ["NODE", "TASK", "PLUGIN", "POOLS", "ATTEMPTS", "TIMEOUT", "CACHE"]
    table(headers, [_cells(row) for row in rows])
    mapped = [(node.id, mapped_words(node.map)) for node in graph.nodes.values() if node.map is not None]
    if mapped:
        say("", "Mapped", *(f"  {id} {words}" for id, words in mapped))
    known = f", {duration(chain.duration_s)} as in earlier runs" if chain.duration_s is not None else ""
    say("", f"Longest chain: {' → '.join(chain.nodes)} ({plural(len(chain.nodes), 'node')}{known})")
    counts = {state: sum(row["cache"] == state for row in rows) for state in (HIT, PARTLY, MISS, UNKNOWN)}
    if any(counts.values()):
        why = " (their inputs depend on what must run first)" if counts[UNKNOWN] else ""
        told = [f"{count} {state}" for state, count in counts.items() if count or state != PARTLY]
        say(f"Cache: {', '.join(told)}{why}")


def _cells(row: dict[str, Any]) -> list[str]:
    plugin = f"{row['type']} ({row['plugin']})"
    pools = ", ".join(broadest(row["pools"]))
    return [
        row["node"] + (" ×n" if row["map"] else ""),
        row["task"],
        plugin,
        pools,
        str(row["attempts"]),
        duration(row["timeout_s"]),
        row["cache"],
    ]
