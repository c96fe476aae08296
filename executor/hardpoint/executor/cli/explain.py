"""`hardpoint explain EXECUTION [NODE]`: why nodes of a run wait, who is in the way, and what would help."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import msgspec

from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.nodes import named_by
from hardpoint.executor.cli.output import patience, say, say_json
from hardpoint.executor.cli.plugins import the_registry
from hardpoint.executor.cli.watching import word_for
from hardpoint.executor.cli.wording import duration, plural
from hardpoint.executor.explain import Range, Waiting
from hardpoint.executor.explaining_run import Store, explained
from hardpoint.executor.pool_reading import settings_of
from hardpoint.executor.view import RunView, existing_store, find_row, load_view

SHOWN = 20
"""Nodes that are told of one by one, unless they are asked for."""


def explain_execution(home: str, text: str, node: str, *, as_json: bool) -> int:
    """Print why a run, or nodes of it, wait.

    Args:
        home: As typed.
        text: The run's id, or an abbreviation.
        node: Only this node, sub-workflow or item; empty: all.
        as_json: Print one object.
    """
    with existing_store(home) as (folder, journal), patience("looking"):
        view = load_view(journal, find_row(journal, text))
        wanted = {"", *(named_by(view, node).nodes if node else view.state.nodes)}
        store = Store(journal, the_registry(folder), settings_of(folder))
        waits = [each for each in explained(store, view, time.time()) if each.node in wanted]
    if as_json:
        row = view.row
        say_json(
            {"execution": row.execution, "phase": row.phase.value, "waiting": msgspec.to_builtins(waits)}
        )
        return DONE
    say(*_lines(view, waits, wanted, everything=bool(node)))
    return DONE


def _lines(view: RunView, waits: Sequence[Waiting], wanted: set[str], *, everything: bool) -> Iterator[str]:
    if not waits:
        yield from _nothing(view, wanted, everything=everything)
        return
    # Those whose turn it is come before those that wait for them.
    ordered = sorted(waits, key=lambda each: each.cause.value == "upstream")
    shown = ordered if everything else ordered[:SHOWN]
    for number, each in enumerate(shown):
        if number:
            yield ""
        yield from wait_lines(view.row.execution, each)
    if len(ordered) > len(shown):
        yield ""
        yield f"… and {plural(len(ordered) - len(shown), 'node')} more: `--json` tells all"


def _nothing(view: RunView, wanted: set[str], *, everything: bool) -> Iterator[str]:
    run = view.row.execution
    if view.row.phase.terminal or not everything:
        yield f"Run `{run}` is {view.row.phase.value}: nothing of it waits"
        return
    for id in view.state.nodes:
        if id in wanted:
            yield f"Node `{id}` of run `{run}` does not wait: it is {word_for(view.state.nodes[id])}"


def wait_lines(run: str, each: Waiting) -> Iterator[str]:
    """One node, or the whole run, for people."""
    items = "" if each.items is None else f", {plural(each.items, 'item')}"
    yield f"{each.node or f'Run {run}'}{items}: {each.words}"
    if each.holders:
        held = (f"{by.execution} {by.node}" + _units(by.units) for by in each.holders)
        yield f"  held by   {', '.join(held)}"
    if each.position is not None and each.node:
        yield f"  position  {each.position} of its tenant"
    if each.start is not None:
        yield f"  starts    {_range(each.start)}, {each.basis}"
    elif each.basis:
        yield f"  starts    not known: {each.basis}"
    for help in each.helps:
        yield f"  hint: {help}"


def _units(units: int) -> str:
    return "" if units == 1 else f" ({units} units)"


def _range(start: Range) -> str:
    quick, slow = duration(start.earliest_s), duration(start.latest_s)
    return f"in {quick}" if quick == slow else f"in {quick} to {slow}"
