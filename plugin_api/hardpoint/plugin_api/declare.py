"""What a plugin declares: its task types, each with the promises the executor may rely on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hardpoint.plugin_api.handler import AnyHandler, Idempotency, Shape

API_VERSION = (1, 0)
"""Major and minor of this vocabulary. A plugin's entry point is loaded only if its range admits it."""

ENTRY_POINT_GROUP = "hardpoint.plugins"


class NoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The config of a task type that has none."""


class PollPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often a job is asked for: often while it is young, rarely when it is old.

    Args:
        first_s: Wait before the first poll.
        fraction: Later waits, as a fraction of the job's age.
        max_s: Longest wait.
        batch_max: Jobs in one `poll_many`.

    >>> policy = PollPolicy()
    >>> [round(policy.wait_s(age_s), 2) for age_s in (0, 2, 60, 3600)]
    [0.2, 0.4, 12.0, 30.0]
    """

    first_s: float = 0.2
    fraction: float = 0.2
    max_s: float = 30.0
    batch_max: int = 100

    def wait_s(self, age_s: float) -> float:
        """Seconds until the next poll of a job that was created `age_s` seconds ago."""
        return min(self.max_s, max(self.first_s, self.fraction * age_s))


class TaskType(msgspec.Struct, frozen=True):
    """One kind of task that a plugin runs.

    Args:
        name: What `TaskSpec.type` says, lower case; unique over all installed plugins.
        shape: Which of the handler protocols `handler` returns.
        handler: Called once per process, when the type is first used; import vendor SDKs in there.
        config: A msgspec Struct with `forbid_unknown_fields`: the schema of `TaskSpec.config`.
        idempotency: For jobs and arrays: how a repeated create finds the first job.
        settling_delay_s: How long after a create the service's listings may still not show it.
        poll: How often to ask.
        secrets: Names of secrets it wants if no other is configured.
        doc: One line.
    """

    name: str
    shape: Shape
    handler: Callable[[], AnyHandler]
    config: type[msgspec.Struct] = NoConfig
    idempotency: Idempotency = Idempotency.NONE
    settling_delay_s: float = 0.0
    poll: PollPolicy = PollPolicy()
    secrets: tuple[str, ...] = ()
    doc: str = ""

    def check_config(self, config: dict[str, Any]) -> msgspec.Struct:
        """Return the typed config; raises `msgspec.ValidationError` naming the field that does not fit.

        >>> TaskType("t", Shape.JOB, lambda: None).check_config({})
        NoConfig()
        """
        return msgspec.convert(config, type=self.config)
