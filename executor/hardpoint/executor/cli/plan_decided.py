"""What `hardpoint plan` shows of plugins' decisions: what they would refuse, and what they would rewrite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.core.flatten import FlatGraph
from hardpoint.executor.api import DEFAULT_DOMAIN, DEFAULT_PROJECT
from hardpoint.executor.cli.failures import describe
from hardpoint.executor.cli.options import PlanOptions
from hardpoint.executor.deciding import Change, Decided, ExecutionRefusedError, admission_request, decided
from hardpoint.executor.submission import effective_priority
from hardpoint.plugin_api import Wire
from hardpoint.registry import Registry


class Foreseen(msgspec.Struct, frozen=True):
    """What plugins would decide about a run.

    Args:
        decided: The workflow that would run; if it is refused, the author's own.
        refusal: Why it would not be accepted; None if it would.
    """

    decided: Decided
    refusal: ExecutionRefusedError | None = None


def foreseen(
    compiled: CompiledWorkflow,
    graph: FlatGraph,
    wires: dict[str, Wire],
    registry: Registry,
    options: PlanOptions,
) -> Foreseen:
    """Ask the plugins, with the inputs that are known, as if the run were submitted."""
    tenant = (options.project or DEFAULT_PROJECT, options.domain or DEFAULT_DOMAIN)
    priority = effective_priority(options.priority, options.qos)
    try:
        return Foreseen(
            decided(registry, compiled, admission_request(compiled, graph, wires, tenant, priority))
        )
    except ExecutionRefusedError as refusal:
        return Foreseen(Decided(compiled), refusal)


def foreseen_json(found: Foreseen) -> dict[str, Any]:
    """The same for programs."""
    refused = None if found.refusal is None else describe(found.refusal)[0][0]
    return {"refused": refused, "rewritten": msgspec.to_builtins(found.decided.changes)}


def foreseen_lines(found: Foreseen) -> Iterator[str]:
    """The same for people; nothing where no plugin would do anything."""
    if found.refusal is not None:
        yield from ("", f"It would be refused. {found.refusal.message}")
        if found.refusal.hint:
            yield f"hint: {found.refusal.hint}"
    if found.decided.changes:
        yield from ("", "Rewritten by plugins", *map(_line, found.decided.changes))


def _line(change: Change) -> str:
    before, after = (msgspec.json.encode(value).decode() for value in (change.before, change.after))
    return f"  {change.task}: {change.field} {before} → {after} ({', '.join(change.plugins)})"
