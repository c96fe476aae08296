"""`hardpoint executions show`: one run, node by node."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hardpoint.executor.attempt_links import Templates
from hardpoint.executor.cli.arrays import array_words
from hardpoint.executor.cli.executions import summary_of, took_s
from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.installed_groups import may_have
from hardpoint.executor.cli.nodes import Named, named_by
from hardpoint.executor.cli.options import RunOptions
from hardpoint.executor.cli.output import say, say_json, table
from hardpoint.executor.cli.plugins import the_registry
from hardpoint.executor.cli.show_node import (
    links_of,
    node_json,
    print_error,
    print_item,
    print_node,
    say_values,
    unit_json,
)
from hardpoint.executor.cli.watching import ran_s, word_for
from hardpoint.executor.cli.wording import day_and_time, duration, place, plural
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.explaining_run import Store, missing_for, reasons
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import Journal
from hardpoint.executor.log_links import link_templates
from hardpoint.executor.owner import is_driven
from hardpoint.executor.pool_reading import settings_of
from hardpoint.executor.view import RunView, Try, existing_store, find_row, load_view
from hardpoint.plugin_api import HardpointError

_NOTHING: Mapping[str, str] = MappingProxyType({})


def show_execution(home: str, text: str, node: str, *, items: bool, as_json: bool) -> int:
    """Print one run, or one node of it.

    Args:
        home: As typed.
        text: The run's id, or an abbreviation.
        node: Only this node, sub-workflow or item; empty: the run.
        items: Tell each item of array nodes.
        as_json: Print one object.
    """
    now, options = time.time(), RunOptions(home=home)
    why: Mapping[str, str] = {}
    waits = ""
    with existing_store(home) as (folder, journal):
        view = load_view(journal, find_row(journal, text), partial(_declared_links, folder))
        if not as_json and view.row.phase is RunPhase.RUNNING:
            why = _reasons(journal, folder, view, now)
        if not as_json and not view.row.phase.terminal and not is_driven(view.row, now):
            missing = missing_for(the_registry(folder), view)
            waits = missing.message if missing is not None else ""
    if not node:
        if as_json:
            say_json(run_json(view, now, items=items))
        else:
            print_run(view, now, why, waits)
        return DONE
    named = named_by(view, node)
    if as_json:
        say_json(_named_json(view, named, node, now, items=items))
    elif named.item is not None:
        print_item(view, named.nodes[0], named.item, folder, options)
    elif named.nodes == [node]:
        print_node(view, node, now, options, items=items)
    else:
        _print_nodes(view, named.nodes, now, why)
    return DONE


def _named_json(view: RunView, named: Named, text: str, now: float, *, items: bool) -> Any:
    """One object; of a sub-workflow, a list of its nodes."""
    if named.item is not None or named.nodes == [text]:
        return unit_json(view, named, now, items=items)
    return [unit_json(view, Named([id]), now, items=items) for id in named.nodes]


def _declared_links(folder: Path, task_types: frozenset[str]) -> Templates:
    groups = ["hardpoint.extensions", *(["hardpoint.plugins"] if task_types - {"python"} else [])]
    if not any(may_have(group, sys.path) for group in groups):
        return {}
    return link_templates(the_registry(folder), task_types)


def _reasons(journal: Journal, folder: Path, view: RunView, now: float) -> Mapping[str, str]:
    """Why nodes wait; where a plugin is missing that would know, that is not told."""
    try:
        return reasons(Store(journal, the_registry(folder), settings_of(folder)), view, now)
    except HardpointError:
        return {}


def print_run(view: RunView, now: float, why: Mapping[str, str] = _NOTHING, waits: str = "") -> None:
    """Print a run as it stands in its view.

    Args:
        view: The run, now or at an earlier time.
        now: The time to tell durations by; seconds since the epoch.
        why: Why nodes wait, by node.
        waits: What keeps the whole run from going on here.
    """
    say(*_heading(view, now), *([f"Waits     {waits}"] if waits else []))
    if view.state.nodes:
        say("")
        _print_nodes(view, list(view.state.nodes), now, why)
    say_values("Inputs", view.state.inputs)
    say_values("Outputs", view.row.outputs)
    artifacts = {f"{node}, {title}": shown for node, title, shown in _artifacts(view)}
    say_values("Artifacts", artifacts, plain=True)
    if view.row.error is not None:
        print_error(view.row.error, view.row.error_node)


def _print_nodes(view: RunView, ids: list[str], now: float, why: Mapping[str, str]) -> None:
    rows = [_cells(view, view.state.nodes[id], now, why.get(id, "")) for id in ids]
    table(["NODE", "TASK", "STATE", "ATTEMPTS", "TOOK", "REMARK"], rows, states=2)


def _heading(view: RunView, now: float) -> Iterator[str]:
    row = view.row
    took = duration(took_s(row, now))
    yield f"Run       {row.execution}"
    yield f"Workflow  {row.workflow}, {plural(len(view.state.nodes), 'node')}, digest {row.digest[:12]}"
    yield f"Phase     {row.phase.value}" + (f" after {took}" if took and row.phase.terminal else "")
    yield f"Tenant    {row.project}/{row.domain}"
    yield from _terms(view)
    yield f"Started   {day_and_time(row.started_at) or 'not yet'}"
    if view.past:
        return
    if not row.phase.terminal and not is_driven(row, now):
        yield f"Owner     none; `hardpoint executions resume {row.execution}` goes on with it"
    elif row.owner:
        yield f"Owner     {row.owner}"


def _terms(view: RunView) -> Iterator[str]:
    submitted = view.state.submitted
    if submitted is None:
        return
    if submitted.priority or submitted.qos:
        yield f"Priority  {submitted.priority}" + (f", qos {submitted.qos}" if submitted.qos else "")
    if submitted.max_parallelism:
        yield f"Parallel  at most {plural(submitted.max_parallelism, 'node')}"


def _cells(view: RunView, node: NodeRun, now: float, why: str) -> list[str]:
    task = view.state.graph.nodes[node.id].spec_key
    took = duration(ran_s(node, now))
    return [node.id, task, word_for(node), str(node.attempt or ""), took, _remark(view, node) or why]


def _remark(view: RunView, node: NodeRun) -> str:
    if node.cached_from:
        return f"from run {node.cached_from}"
    error = f"{node.error.code}: {node.error.message}".partition("\n")[0] if node.error else ""
    if node.array is not None:
        return "  ".join(part for part in (array_words(node.array), error) if part)
    if error:
        return error
    job = f"job {node.job.id}" if node.job else ""
    links = " ".join(links_of(view, node).values())
    return "  ".join(part for part in (job, node.reason, links) if part)


def _artifacts(view: RunView) -> Iterator[tuple[str, str, str]]:
    for each in view.tries:
        for artifact in each.artifacts:
            yield each.node, artifact.title, place(artifact.reference)


def run_json(view: RunView, now: float, *, items: bool) -> dict[str, Any]:
    """A run with its nodes, for programs.

    Args:
        view: The run, now or at an earlier time.
        now: The time to tell durations by; seconds since the epoch.
        items: Tell each item of array nodes.
    """
    tries: dict[str, list[Try]] = {}
    for each in view.tries:
        tries.setdefault(each.node, []).append(each)
    ids = list(view.state.nodes)
    submitted = view.state.submitted
    return {
        **summary_of(view.row, now),
        "qos": submitted.qos if submitted else "",
        "max_parallelism": submitted.max_parallelism if submitted else 0,
        "owner": view.row.owner or None,
        "inputs": view.state.inputs,
        "nodes": [node_json(view, id, now, items=items, tries=tries.get(id, [])) for id in ids],
    }
