"""`hardpoint plan --estimate`: what the services themselves expect the jobs of a run to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.core.compiled import CompiledWorkflow, digest_of
from hardpoint.core.flatten import FlatGraph, FlatNode
from hardpoint.executor.cli.failures import of_info
from hardpoint.executor.cli.forecast import HIT, calls_of, known_inputs
from hardpoint.executor.cli.usage import words
from hardpoint.executor.cli.wording import plural
from hardpoint.executor.estimating import Estimated, Estimates, ask_for_estimates, looking_contexts
from hardpoint.executor.plan_steps import RUN
from hardpoint.executor.pool_reading import settings_of
from hardpoint.plugin_api import CreateRequest, Shape, TaskSpec, Wire, attempt_token
from hardpoint.registry import Registry

ATTEMPTS_MAX = 200
"""As many attempts are asked about, mapped items among them."""


def estimates(
    compiled: CompiledWorkflow,
    graph: FlatGraph,
    wires: Mapping[str, Wire],
    cached: Mapping[str, str],
    registry: Registry,
    folder: Path,
    tenant: tuple[str, str],
) -> Estimates:
    """Ask the plugins of the jobs whose inputs are known, and which the cache does not answer.

    Args:
        compiled, graph: The workflow.
        wires: Inputs that are known.
        cached: What the cache says of each node.
        registry: Has its task types.
        folder: The store.
        tenant: Project and domain.
    """
    requests: list[CreateRequest] = []
    unknown: list[str] = []
    for node in graph.nodes.values():
        spec = compiled.tasks[node.spec_key]
        if registry.task_type(spec.type).shape is not Shape.JOB or cached[node.id] == HIT:
            continue
        inputs = known_inputs(node, wires, {})
        if inputs is None:
            unknown.append(node.id)
        else:
            requests += _requests(node, spec, inputs, tenant)
    contexts = looking_contexts(registry, settings_of(folder), str(folder / "blobs"))
    found = ask_for_estimates(registry, requests[:ATTEMPTS_MAX], contexts)
    return Estimates(found, tuple(unknown), max(0, len(requests) - ATTEMPTS_MAX))


def _requests(
    node: FlatNode, spec: TaskSpec, inputs: dict[str, Wire], tenant: tuple[str, str]
) -> Iterator[CreateRequest]:
    for index, each in enumerate(calls_of(node, inputs)):
        unit = node.id if node.map is None else f"{node.id}[{index}]"
        yield CreateRequest(
            execution=RUN,
            node=unit,
            attempt=1,
            token=attempt_token(RUN, unit, 1, digest_of([spec, each])),
            spec=spec,
            inputs=each,
            outputs_uri="",
            resources=spec.resources,
            project=tenant[0],
            domain=tenant[1],
        )


def estimates_lines(told: Estimates) -> Iterator[str]:
    """Estimates for people."""
    if not told.found:
        yield from ("", "Estimates: no plugin of a job whose inputs are known makes any")
    else:
        yield from ("", "Estimates")
        width = max(len(each.node) for each in told.found)
        for each in told.found:
            yield from _lines(each, width)
        yield f"  {'Total':<{width}}  {words(told.total) or 'not known'}"
    if told.unknown:
        some = ", ".join(f"`{id}`" for id in told.unknown[:5])
        more = f" and {len(told.unknown) - 5} more" if len(told.unknown) > 5 else ""
        yield f"Not asked, since not all of their inputs are known yet: {some}{more}"
    if told.left_out:
        yield f"Not asked, since there are too many: {plural(told.left_out, 'attempt')} more"


def _lines(each: Estimated, width: int) -> Iterator[str]:
    head = f"  {each.node:<{width}}  "
    if each.error is not None:
        yield f"{head}failed: {each.error.code}: {each.error.message}".partition("\n")[0]
        if each.error.hint:
            yield f"{'':<{width + 4}}hint: {each.error.hint}"
    elif each.estimate is not None:
        yield head + (words(each.estimate.usage) or "no figure")
        yield from (f"{'':<{width + 4}}{line}" for line in each.estimate.text.splitlines())


def estimates_json(told: Estimates) -> dict[str, Any]:
    """Estimates for programs."""
    return {
        "nodes": [
            {
                "node": each.node,
                "usage": each.estimate.usage if each.estimate is not None else None,
                "text": each.estimate.text if each.estimate is not None else "",
                "error": of_info(each.error) if each.error is not None else None,
            }
            for each in told.found
        ],
        "total": told.total,
        "unknown": msgspec.to_builtins(told.unknown),
        "left_out": told.left_out,
    }
