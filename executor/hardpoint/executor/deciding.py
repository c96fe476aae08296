"""What plugins make of a run before it is accepted: whether it is, and with which tasks.

They are asked once, when it is submitted. What they decide is part of the workflow that is journaled, so
no replay and no other executor asks them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec

from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.core.flatten import FlatGraph
from hardpoint.executor.admission import misfit_of
from hardpoint.plugin_api import AdmissionRequest, ErrorInfo, TaskSpec, UsageError, Wire
from hardpoint.registry import Refused, Registry, Rewritten


class ExecutionRefusedError(UsageError):
    """A plugin is against a run; nothing was submitted.

    Args:
        message: What it refuses, and why.
        plugin: Its name.
        retry_after_s: When it may be tried again; 0 for never.
        hint: What helps.
    """

    def __init__(self, message: str, *, plugin: str, retry_after_s: float = 0.0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.plugin = plugin
        self.retry_after_s = retry_after_s

    def info(self) -> ErrorInfo:
        """This error as data, with the time after which the plugin lets it be tried again."""
        return ErrorInfo(
            self.code, self.message, self.kind, self.hint, retry_after_s=self.retry_after_s or None
        )


class Change(msgspec.Struct, frozen=True):
    """One field of a task that plugins changed.

    Args:
        task: Its name.
        field: Such as `timeout_s`, or `config.workgroup`.
        before, after: As JSON; None for what is not set.
        plugins: Those that changed something of this task, in their order.
    """

    task: str
    field: str
    before: Any
    after: Any
    plugins: tuple[str, ...]


class Decided(msgspec.Struct, frozen=True):
    """A workflow as plugins want it to be run.

    Args:
        compiled: With the tasks that they rewrote.
        changes: What is different.
    """

    compiled: CompiledWorkflow
    changes: tuple[Change, ...] = ()


def admission_request(
    compiled: CompiledWorkflow,
    graph: FlatGraph,
    wires: dict[str, Wire],
    tenant: tuple[str, str],
    priority: int = 0,
) -> AdmissionRequest:
    """A run, as plugins are told of it.

    Args:
        compiled, graph: The workflow.
        wires: Its inputs, as far as they are known.
        tenant: Project and domain.
        priority: Larger goes first.
    """
    project, domain = tenant
    return AdmissionRequest(
        workflow=compiled.body.name,
        digest=compiled.digest,
        project=project,
        domain=domain,
        inputs=wires,
        task_types=tuple(sorted({spec.type for spec in compiled.tasks.values()})),
        nodes=len(graph.nodes),
        priority=priority,
    )


def decided(registry: Registry, compiled: CompiledWorkflow, request: AdmissionRequest) -> Decided:
    """Ask the plugins.

    Args:
        registry: Knows the workflow's task types.
        compiled: Its tasks are checked.
        request: The run.

    Raises:
        ExecutionRefusedError: A plugin is against it.
    """
    refused = registry.admit_execution(request)
    if refused is not None:
        raise _error(refused)
    answer = registry.rewrite_task(compiled.tasks, request, partial(misfit_of, registry))
    if isinstance(answer, Refused):
        raise _error(answer)
    if not answer.plugins:
        return Decided(compiled)
    return Decided(msgspec.structs.replace(compiled, tasks=answer.specs), _changes(compiled.tasks, answer))


def _error(refused: Refused) -> ExecutionRefusedError:
    wait_s = refused.refusal.retry_after_s
    again = f"Try again in about {wait_s:.0f} s" if wait_s else ""
    about = f"task `{refused.task}` of the run" if refused.task else "the run"
    return ExecutionRefusedError(
        f"Plugin `{refused.plugin}` refuses {about}: {refused.refusal.message}",
        plugin=refused.plugin,
        retry_after_s=wait_s,
        hint="; ".join(filter(None, (refused.refusal.hint, again))),
    )


def _changes(before: dict[str, TaskSpec], answer: Rewritten) -> tuple[Change, ...]:
    return tuple(
        Change(before[key].name, field, old, new, plugins)
        for key, plugins in sorted(answer.plugins.items())
        for field, old, new in _different(_flat(before[key]), _flat(answer.specs[key]))
    )


def _flat(spec: TaskSpec) -> dict[str, Any]:
    plain = msgspec.to_builtins(spec)
    config = plain.pop("config", {})
    return {**plain, **{f"config.{name}": value for name, value in config.items()}}


def _different(before: dict[str, Any], after: dict[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    for field in sorted(before.keys() | after.keys()):
        if before.get(field) != after.get(field):
            yield field, before.get(field), after.get(field)
