"""`hardpoint executions show ID NODE`: one node, an array node with its items, or one item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hardpoint.executor.cli.arrays import (
    FAILED_SHOWN,
    array_json,
    array_words,
    error_of,
    failed_items,
    item_json,
    mapped_words,
    outputs_of,
    required_words,
    state_of,
    typed,
)
from hardpoint.executor.cli.failures import of_info
from hardpoint.executor.cli.logs import copy_log
from hardpoint.executor.cli.nodes import Named, tries_at
from hardpoint.executor.cli.options import RunOptions
from hardpoint.executor.cli.output import say, table
from hardpoint.executor.cli.watching import ran_s, word_for
from hardpoint.executor.cli.wording import day_and_time, duration, iso, value
from hardpoint.executor.engine.array_run import ArrayRun
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.view import RunView, Try
from hardpoint.plugin_api import ErrorInfo, HardpointError, Wire

LOG_BYTES_MAX = 8192


def print_node(view: RunView, id: str, now: float, options: RunOptions, *, items: bool) -> None:
    """Print one node; of an array node, how its items stand.

    Args:
        view: The run.
        id: Of the node.
        now: Seconds since the epoch.
        options: Of the command, for hints.
        items: Tell each item of an array node.
    """
    node = view.state.nodes[id]
    say(*_node_heading(view, node, now))
    if node.array is not None:
        _print_items(view, node.array, options, everything=items)
    else:
        _print_tries(tries_at(view, Named([id])))
    say_values("Inputs", inputs_of(view, id))
    say_values("Outputs", node.outputs)
    print_error(node.error)
    logs = f"hardpoint executions logs {view.row.execution} {id}{options.home_words}"
    if node.attempt or node.array is not None:
        say("", f"What its attempts printed: `{logs}`")


def print_item(view: RunView, id: str, index: int, folder: Path, options: RunOptions) -> None:
    """Print one item of an array node, and the end of what its last attempt printed.

    Args:
        view: The run.
        id: Of the array node.
        index: Of the item.
        folder: The store.
        options: Of the command, for hints.
    """
    array = view.state.nodes[id].array
    assert array is not None
    item = f"{id}[{index}]"
    tries = tries_at(view, Named([id], index))
    say(f"Item      {item} of {required_words(array)}")
    say(f"Task      {view.state.graph.nodes[id].spec_key}")
    say(f"State     {state_of(array, index).value}")
    unit = array.live.get(index)
    if unit is not None:
        say(*_job_lines(view, unit))
    _print_tries(tries)
    say_values("Inputs", inputs_of(view, item))
    say_values("Outputs", outputs_of(array, index))
    print_error(error_of(array, index))
    ended = [each for each in tries if each.log is not None]
    if ended:
        more = f"hardpoint executions logs {view.row.execution} {typed(item)}{options.home_words}"
        copy_log(ended[-1], folder, LOG_BYTES_MAX, more)


def _node_heading(view: RunView, node: NodeRun, now: float) -> Iterator[str]:
    flat = view.state.graph.nodes[node.id]
    yield f"Node      {node.id} of run {view.row.execution}"
    yield f"Task      {flat.spec_key}" + (f", {mapped_words(flat.map)}" if flat.map else "")
    took = duration(ran_s(node, now))
    yield f"State     {word_for(node)}" + (f" after {took}" if took and node.state.terminal else "")
    if node.array is not None:
        yield f"Items     {required_words(node.array)}: {array_words(node.array)}"
    if node.started_at is not None:
        yield f"Started   {day_and_time(node.started_at)}"
    if node.cached_from:
        yield f"From      run {node.cached_from}"
    if node.pending and not node.state.terminal:
        waits = [up for up in flat.upstream if view.state.nodes[up].outputs is None]
        yield f"Waits for {', '.join(waits)}"
    yield from _job_lines(view, node)


def _job_lines(view: RunView, node: NodeRun) -> Iterator[str]:
    if node.job is not None:
        phase = f", {node.phase.value}" if node.phase is not None else ""
        yield f"Job       {node.job.id}{phase}"
    if node.reason and not node.state.terminal:
        yield f"Reason    {node.reason}"
    yield from (f"Link      {title}: {url}" for title, url in links_of(view, node).items())


def links_of(view: RunView, node: NodeRun) -> dict[str, str]:
    """Links of the latest attempt of a node or item: what its service told, and what is declared."""
    return {**view.latest_links(node.id), **node.links}


def _print_items(view: RunView, array: ArrayRun, options: RunOptions, *, everything: bool) -> None:
    failed = list(failed_items(array))
    chosen: Sequence[int] = range(array.size) if everything else failed[:FAILED_SHOWN]
    if not chosen:
        return
    more = f", the first {FAILED_SHOWN} of {len(failed):,}" if len(failed) > FAILED_SHOWN else ""
    say("", "Items" if everything else f"Failed items{more}")
    rows = [_item_cells(array, index) for index in chosen]
    table(["ITEM", "STATE", "ATTEMPTS", "REMARK"], rows, states=1)
    one = typed(f"{array.node.id}[{(failed or [0])[0]}]")
    say("", f"Look closer with `hardpoint executions show {view.row.execution} {one}{options.home_words}`")


def _item_cells(array: ArrayRun, index: int) -> list[str]:
    error = error_of(array, index)
    remark = f"{error.code}: {error.message}".partition("\n")[0] if error is not None else ""
    attempts = str(array.attempts(index) or "")
    return [f"{array.node.id}[{index}]", state_of(array, index).value, attempts, remark]


def _print_tries(tries: Sequence[Try]) -> None:
    if not tries:
        return
    say("")
    table(["ATTEMPT", "STATE", "STARTED", "TOOK", "REMARK"], [_try_cells(each) for each in tries], states=1)


def _try_cells(each: Try) -> list[str]:
    took = "" if each.ended_at is None else duration(each.ended_at - each.started_at)
    remark = f"{each.error.code}: {each.error.message}".partition("\n")[0] if each.error else ""
    state = each.state.value if each.attempt else "CACHED"
    return [str(each.attempt or ""), state, day_and_time(each.started_at), took, remark]


def say_values(title: str, values: dict[str, Any] | None, *, plain: bool = False) -> None:
    """Print values by name, unless there are none.

    Args:
        title: Above them.
        values: Wire values; None is none.
        plain: They are text already.
    """
    if values:
        say("", title)
        say(*(f"  {name} = {each if plain else value(each)}" for name, each in values.items()))


def print_error(error: ErrorInfo | None, node: str = "") -> None:
    """Print an error, if there is one, with the author's traceback and what helps."""
    if error is None:
        return
    where = f" at node `{node}`" if node else ""
    say("", f"Error{where}: {error.code}: {error.message}")
    if error.traceback:
        say("", error.traceback.rstrip())
    if error.hint:
        say("", f"hint: {error.hint}")


def inputs_of(view: RunView, id: str) -> dict[str, Wire] | None:
    """What a node or item is called with; None while that is not known."""
    try:
        return view.run.inputs_of(id)
    except (HardpointError, LookupError):
        return None


# For programs


def node_json(view: RunView, id: str, now: float, *, items: bool, tries: Sequence[Try]) -> dict[str, Any]:
    """One node as `show --json` lists it.

    Args:
        view: The run.
        id: Of the node.
        now: Seconds since the epoch.
        items: Tell each item of an array node, and its outputs.
        tries: Its attempts.
    """
    node = view.state.nodes[id]
    flat = view.state.graph.nodes[id]
    array = node.array
    told = {
        "node": id,
        "task": flat.spec_key,
        "state": node.state.value,
        "cached_from": node.cached_from or None,
        "attempt": node.attempt,
        "started": iso(node.started_at),
        "ended": iso(node.ended_at),
        "duration_s": ran_s(node, now),
        "error": of_info(node.error) if node.error else None,
        "job": node.job.id if node.job else None,
        "links": links_of(view, node),
        "outputs": node.outputs if array is None or items else None,
        "attempts": [_try_json(view, each) for each in tries if each.attempt],
    }
    return told if array is None else {**told, "array": array_json(array, items=items)}


def unit_json(view: RunView, named: Named, now: float, *, items: bool) -> dict[str, Any]:
    """What `show ID NODE --json` prints of a node or of one item."""
    tries = tries_at(view, named)
    inputs = inputs_of(view, named.id)
    if named.item is None:
        array = view.state.nodes[named.id].array
        shown = None if array is not None and not items else inputs
        own = [each for each in tries if each.node == named.id]
        return {**node_json(view, named.id, now, items=items, tries=own), "inputs": shown}
    array = view.state.nodes[named.nodes[0]].array
    assert array is not None
    return {
        "node": named.nodes[0],
        "task": view.state.graph.nodes[named.nodes[0]].spec_key,
        **item_json(array, named.item),
        "inputs": inputs,
        "outputs": outputs_of(array, named.item),
        "attempts": [_try_json(view, each) for each in tries if each.attempt],
    }


def _try_json(view: RunView, each: Try) -> dict[str, Any]:
    return {
        "attempt": each.attempt,
        "state": each.state.value,
        "started": iso(each.started_at),
        "ended": iso(each.ended_at),
        "duration_s": None if each.ended_at is None else each.ended_at - each.started_at,
        "error": of_info(each.error) if each.error else None,
        "artifacts": [{"title": one.title, "path": one.reference.uri} for one in each.artifacts],
        "links": view.links_of(each),
        "usage": each.usage or {},
    }
