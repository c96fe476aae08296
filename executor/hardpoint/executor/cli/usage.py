"""`hardpoint executions show --usage` and `list --usage`: what jobs used, by task and by tenant."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.nodes import named_by, tries_at
from hardpoint.executor.cli.output import say, say_json, table
from hardpoint.executor.cli.wording import plural, size
from hardpoint.executor.engine.items import array_id
from hardpoint.executor.journal.protocol import ExecutionRow, Journal, JournalDamagedError
from hardpoint.executor.usage import TaskUsage, Usage, by_task, summed
from hardpoint.executor.view import RunView, existing_store, find_row, load_view, tries_of

NOTHING = "No attempt told what it used"


def show_usage(home: str, text: str, node: str, *, as_json: bool) -> int:
    """Print what the attempts of a run used, by task.

    Args:
        home: As typed.
        text: The run's id, or an abbreviation.
        node: Only this node, sub-workflow or item; empty: all.
        as_json: Print one object.
    """
    with existing_store(home) as (_, journal):
        view = load_view(journal, find_row(journal, text))
    tries = tries_at(view, named_by(view, node)) if node else view.tries
    found = by_task(tries, lambda unit: _task_of(view, unit))
    total = summed(each.usage for each in found)
    row = view.row
    if as_json:
        told = {"execution": row.execution, "project": row.project, "domain": row.domain}
        say_json({**told, "tasks": msgspec.to_builtins(found), "total": total})
    elif found:
        say(f"Run     {row.execution}", f"Tenant  {row.project}/{row.domain}", "")
        table(["TASK", "ATTEMPTS", "USED", "AMOUNT"], [*_task_rows(found), *_rows(["Total", ""], total)])
    else:
        say(f"{NOTHING} in run {row.execution}")
    return DONE


def _task_of(view: RunView, unit: str) -> str:
    nodes = view.state.graph.nodes
    return nodes[unit if unit in nodes else array_id(unit)].spec_key


def list_usage(home: Path, rows: Sequence[ExecutionRow], journal: Journal, *, as_json: bool) -> None:
    """Print what the attempts of runs used, by tenant.

    Args:
        home: The store, for people.
        rows: The runs.
        journal: Theirs.
        as_json: Print one list.
    """
    told: dict[tuple[str, str], list[dict[str, float]]] = {}
    for row in rows:
        told.setdefault((row.project, row.domain), []).append(_of_run(journal, row.execution))
    tenants = sorted(told)
    sums = {tenant: summed(told[tenant]) for tenant in tenants}
    if as_json:
        say_json(
            [
                {"project": project, "domain": domain, "runs": len(told[project, domain]), "usage": usage}
                for (project, domain), usage in sums.items()
            ]
        )
    elif any(sums.values()):
        heads = {tenant: ["/".join(tenant), str(len(told[tenant]))] for tenant in tenants}
        cells = [row for tenant in tenants for row in _rows(heads[tenant], sums[tenant])]
        table(["TENANT", "RUNS", "USED", "AMOUNT"], cells)
    else:
        say(f"{NOTHING} in {plural(len(rows), 'run')} in `{home}`")


def _of_run(journal: Journal, execution: str) -> dict[str, float]:
    """Of a run whose journal is damaged nothing can be told."""
    try:
        events = journal.read(execution)
    except JournalDamagedError as damage:
        say(f"left out: {damage.message}", to=sys.stderr)
        return {}
    return summed(each.usage for each in tries_of(events) if each.usage)


def _task_rows(found: Sequence[TaskUsage]) -> Iterator[list[str]]:
    for each in found:
        yield from _rows([each.task, str(each.attempts)], each.usage)


def _rows(heads: list[str], usage: Usage) -> Iterator[list[str]]:
    for number, (name, value) in enumerate(usage.items()):
        yield [*(heads if not number else [""] * len(heads)), name, amount(name, value)]


def amount(name: str, value: float) -> str:
    """A figure for people.

    >>> amount("slot_ms", 1234567.0), amount("cost_usd", 0.1 + 0.2), amount("bytes_scanned", 2e9)
    ('1,234,567', '0.3', '2,000,000,000 (1.9 GiB)')
    """
    of_bytes = "bytes" in name.split("_") and value >= 1024
    return f"{value:,.15g}" + (f" ({size(value)})" if of_bytes else "")


def words(usage: Usage) -> str:
    """Figures on one line.

    >>> words({"slots": 2.0, "cost_usd": 0.25})
    'slots 2, cost_usd 0.25'
    """
    return ", ".join(f"{name} {amount(name, value)}" for name, value in usage.items())
