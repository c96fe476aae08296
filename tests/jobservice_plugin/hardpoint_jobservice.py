"""Runs tasks as jobs of hardpoint's fake job service: one task type for each kind of idempotency and shape.

    jobservice          TOKEN    the service takes our token as `Idempotency-Key`
    jobservice_name     NAME     the job's name is our token; a second create is refused with 409
    jobservice_search   SEARCH   the job's label is our token; listings show it only after a while
    jobservice_push     TOKEN    as the first, and the service tells of changes by itself
    jobservice_array    TOKEN    many jobs in one create, with their states in one answer

A job returns its inputs, in order, as its outputs, unless the config says what it `returns`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import hardpoint_jobservice_diagnosis as diagnosis
import msgspec
from hardpoint_jobservice_arrays import ArrayHandler
from hardpoint_jobservice_handlers import (
    BATCH_MAX,
    JobConfig,
    NameHandler,
    PushHandler,
    SearchHandler,
    TokenHandler,
    digest,
)

from hardpoint.plugin_api import (
    SINGLE_OUTPUT,
    Capability,
    Context,
    Finding,
    Idempotency,
    Options,
    Parameter,
    PollPolicy,
    RateLimit,
    ResourcePool,
    Shape,
    TaskDefinition,
    TaskType,
    hookimpl,
)
from hardpoint.plugin_api.definition import caller_position

__all__ = [
    "ArrayHandler",
    "JobConfig",
    "JobServicePlugin",
    "JobTask",
    "NameHandler",
    "PushHandler",
    "SearchHandler",
    "TokenHandler",
    "plugin",
]


class JobTask(TaskDefinition):
    """A task that runs as a job of the service.

    >>> double = JobTask("double", url="http://127.0.0.1:1", inputs={"value": int}, outputs={"result": int})
    >>> double.task_type, double.config
    ('jobservice', {'url': 'http://127.0.0.1:1'})
    """

    def __init__(
        self,
        name: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        type: str = "jobservice",
        options: Options | None = None,
        **config: Any,
    ) -> None:
        position = caller_position(2)
        settings = msgspec.to_builtins(msgspec.convert(config, type=JobConfig))
        super().__init__(
            name=name,
            task_type=type,
            file=Path(position.file),
            inputs={
                each: Parameter(hint) for each, hint in ({"value": int} if inputs is None else inputs).items()
            },
            outputs={SINGLE_OUTPUT: int} if outputs is None else outputs,
            config=settings,
            options=options,
            version=digest(settings),
            position=position,
        )


class JobServicePlugin:
    """The plugin object; tests may make their own with other declarations."""

    def __init__(
        self,
        *,
        slots: int = 100_000,
        calls_per_s: float = 100_000.0,
        settling_delay_s: float = 0.5,
        poll: PollPolicy | None = None,
    ) -> None:
        self._slots = slots
        self._calls_per_s = calls_per_s
        self._settling_delay_s = settling_delay_s
        self._poll = poll or PollPolicy(first_s=0.1, max_s=2.0, batch_max=BATCH_MAX)

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        for handler, idempotency in _HANDLERS:
            yield TaskType(
                handler.task_type,
                Shape.ARRAY if handler is ArrayHandler else Shape.JOB,
                handler,
                config=JobConfig,
                idempotency=idempotency,
                settling_delay_s=0.0 if idempotency is Idempotency.NAME else self._settling_delay_s,
                poll=self._poll,
                capabilities=(Capability.USAGE,),
                doc=f"A job of the fake job service, found again by {idempotency.value}",
            )

    @hookimpl
    def resource_pools(self) -> Iterable[ResourcePool]:
        return [ResourcePool(f"{name}:*", self._slots) for name in _NAMES]

    @hookimpl
    def rate_limits(self) -> Iterable[RateLimit]:
        rate = self._calls_per_s
        return [RateLimit(f"{name}:*", rate, rate, burst=max(1, int(rate))) for name in _NAMES]

    @hookimpl
    def diagnose(self, context: Context) -> Iterable[Finding]:
        return diagnosis.findings(context, os.environ)


_HANDLERS: tuple[tuple[Any, Idempotency], ...] = (
    (TokenHandler, Idempotency.TOKEN),
    (NameHandler, Idempotency.NAME),
    (SearchHandler, Idempotency.SEARCH),
    (PushHandler, Idempotency.TOKEN),
    (ArrayHandler, Idempotency.TOKEN),
)
_NAMES = tuple(handler.task_type for handler, _ in _HANDLERS)

plugin = JobServicePlugin()
