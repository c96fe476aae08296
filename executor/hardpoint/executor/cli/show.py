"""`hardpoint executions show`: one run, node by node."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from hardpoint.executor.cli.executions import summary_of, took_s
from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.failures import of_info
from hardpoint.executor.cli.output import say, say_json, table
from hardpoint.executor.cli.watching import ran_s, word_for
from hardpoint.executor.cli.wording import day_and_time, duration, iso, place, plural, value
from hardpoint.executor.engine.state import NodeRun
from hardpoint.executor.owner import is_driven
from hardpoint.executor.view import RunView, Try, existing_store, find_row, load_view


def show_execution(home: str, text: str, *, as_json: bool) -> int:
    """Print one run."""
    with existing_store(home) as (_, journal):
        view = load_view(journal, find_row(journal, text))
    now = time.time()
    if as_json:
        say_json(_as_json(view, now))
        return DONE
    say(*_heading(view, now))
    rows = [_cells(view, node, now) for node in view.state.nodes.values()]
    if rows:
        say("")
        table(["NODE", "TASK", "STATE", "ATTEMPTS", "TOOK", "REMARK"], rows, states=2)
    _say_values("Inputs", view.state.inputs)
    _say_values("Outputs", view.row.outputs)
    _say_values(
        "Artifacts", {f"{node}, {title}": shown for node, title, shown in _artifacts(view)}, plain=True
    )
    if view.row.error is not None:
        error = view.row.error
        where = f" at node `{view.row.error_node}`" if view.row.error_node else ""
        say("", f"Error{where}: {error.code}: {error.message}")
        if error.traceback:
            say("", error.traceback.rstrip())
        if error.hint:
            say("", f"hint: {error.hint}")
    return DONE


def _heading(view: RunView, now: float) -> Iterator[str]:
    row = view.row
    took = duration(took_s(row, now))
    yield f"Run       {row.execution}"
    yield f"Workflow  {row.workflow}, {plural(len(view.state.nodes), 'node')}, digest {row.digest[:12]}"
    yield f"Phase     {row.phase.value}" + (f" after {took}" if took and row.phase.terminal else "")
    yield f"Tenant    {row.project}/{row.domain}"
    yield f"Started   {day_and_time(row.started_at) or 'not yet'}"
    if not row.phase.terminal and not is_driven(row, now):
        yield f"Owner     none; `hardpoint executions resume {row.execution}` goes on with it"
    elif row.owner:
        yield f"Owner     {row.owner}"


def _cells(view: RunView, node: NodeRun, now: float) -> list[str]:
    task = view.state.graph.nodes[node.id].spec_key
    took = duration(ran_s(node, now))
    return [node.id, task, word_for(node), str(node.attempt or ""), took, _remark(node)]


def _remark(node: NodeRun) -> str:
    if node.cached_from:
        return f"from run {node.cached_from}"
    if node.error is not None:
        return f"{node.error.code}: {node.error.message}".partition("\n")[0]
    job = f"job {node.job.id}" if node.job else ""
    links = " ".join(node.links.values())
    return "  ".join(part for part in (job, node.reason, links) if part)


def _artifacts(view: RunView) -> Iterator[tuple[str, str, str]]:
    for each in view.tries:
        for artifact in each.artifacts:
            yield each.node, artifact.title, place(artifact.reference)


def _say_values(title: str, values: dict[str, Any], *, plain: bool = False) -> None:
    if values:
        say("", title)
        say(*(f"  {name} = {each if plain else value(each)}" for name, each in values.items()))


def _as_json(view: RunView, now: float) -> dict[str, Any]:
    tries: dict[str, list[Try]] = {}
    for each in view.tries:
        tries.setdefault(each.node, []).append(each)
    nodes = [_node_json(view, node, tries.get(node.id, []), now) for node in view.state.nodes.values()]
    return {
        **summary_of(view.row, now),
        "owner": view.row.owner or None,
        "inputs": view.state.inputs,
        "nodes": nodes,
    }


def _node_json(view: RunView, node: NodeRun, tries: list[Try], now: float) -> dict[str, Any]:
    return {
        "node": node.id,
        "task": view.state.graph.nodes[node.id].spec_key,
        "state": node.state.value,
        "cached_from": node.cached_from or None,
        "attempt": node.attempt,
        "started": iso(node.started_at),
        "ended": iso(node.ended_at),
        "duration_s": ran_s(node, now),
        "error": of_info(node.error) if node.error else None,
        "job": node.job.id if node.job else None,
        "links": node.links,
        "outputs": node.outputs,
        "attempts": [_try_json(each) for each in tries if each.attempt],
    }


def _try_json(each: Try) -> dict[str, Any]:
    return {
        "attempt": each.attempt,
        "state": each.state.value,
        "started": iso(each.started_at),
        "ended": iso(each.ended_at),
        "duration_s": None if each.ended_at is None else each.ended_at - each.started_at,
        "error": of_info(each.error) if each.error else None,
        "artifacts": [{"title": one.title, "path": one.reference.uri} for one in each.artifacts],
    }
