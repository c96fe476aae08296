"""Accepting a run: its code is archived, and it is journaled before anybody drives it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from hardpoint.core.compile_errors import did_you_mean, listed
from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.core.flatten import FlatGraph, flatten
from hardpoint.core.runnable import Runnable
from hardpoint.executor.admission import check_tasks
from hardpoint.executor.archive.submit import archive_code
from hardpoint.executor.config.tenant_limits import TenantLimits
from hardpoint.executor.deciding import admission_request, decided
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import RunPhase, Submitted
from hardpoint.executor.journal.protocol import ExecutionExistsError, ExecutionRow, Journal
from hardpoint.plugin_api import AdmissionRequest, Clock, ThrottledError, UsageError, Wire
from hardpoint.registry import Registry

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_execution_id(now: float, dice: random.Random) -> str:
    """An id that sorts by time and is short enough to type.

    >>> new_execution_id(0.0, random.Random(1))
    '19700101-000000-e52hs'
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{''.join(dice.choices(_ALPHABET, k=5))}"


QOS = {"high": 100, "medium": 0, "low": -100}
"""Quality-of-service class → the priority that it stands for."""
PRIORITY_MOST = 1_000_000

RETRY_AFTER_S = 10.0
"""What is advised where no run of the tenant has ended yet."""
RETRY_LEAST_S, RETRY_MOST_S = 1.0, 300.0
RECENT_ENDS = 20


class TermsError(UsageError):
    """Terms on which no run can be accepted."""


class AdmissionRefusedError(ThrottledError):
    """The tenant has as many runs waiting as it may; nothing was submitted."""


class Terms(TypedDict, total=False):
    """On which a run is submitted.

    Keys:
        project, domain: The tenant it is accounted to; default: the executor's.
        execution_id: Its id; default: a new one.
        priority: Among the runs of its tenant, larger first; default 0.
        qos: `high`, `medium` or `low`: where the priority counts from, 100, 0 or -100; default `medium`.
        max_parallelism: Nodes that may be in flight at once; default 0: no limit.
    """

    project: str
    domain: str
    execution_id: str
    priority: int
    qos: str
    max_parallelism: int


def effective_priority(priority: int, qos: str) -> int:
    """The number that runs of a tenant are ordered by.

    Raises:
        TermsError: There is no such class, or the number is out of range.

    >>> effective_priority(5, "high"), effective_priority(0, "")
    (105, 0)
    """
    if qos and qos not in QOS:
        known = listed(QOS)
        raise TermsError(
            f"There is no quality-of-service class `{qos}`",
            hint=did_you_mean(qos, QOS, f"The classes are {known}"),
        )
    if abs(priority) > PRIORITY_MOST:
        raise TermsError(
            f"The priority is {priority}", hint=f"Give a number from {-PRIORITY_MOST} to {PRIORITY_MOST}"
        )
    return priority + QOS.get(qos, 0)


def retry_after_s(ends: Sequence[float], now: float) -> float:
    """When there may be room again: as long as one run lately took to make room, in seconds.

    Args:
        ends: When runs of the tenant ended, newest first; seconds since the epoch.
        now: The time.

    >>> retry_after_s([100.0, 90.0, 80.0, 70.0], now=102.0), retry_after_s([], now=102.0)
    (8.0, 10.0)
    """
    each_s = (now - ends[-1]) / len(ends) if ends else RETRY_AFTER_S
    return min(RETRY_MOST_S, max(RETRY_LEAST_S, each_s))


@dataclass(frozen=True, slots=True)
class Reception:
    """Where runs come in.

    Args:
        journal: Keeps them.
        home: Of the store; gets their code.
        registry: Must know their task types.
        clock, dice: For their ids.
        project, domain: The tenant of those that name none.
        limits: Of a tenant.
    """

    journal: Journal
    home: Path
    registry: Registry
    clock: Clock
    dice: random.Random
    project: str
    domain: str
    limits: Callable[[str, str], TenantLimits]

    def accept(self, workflow: Runnable, wires: dict[str, Wire], terms: Terms, owner: str = "") -> Run:
        """Journal a new run with encoded inputs.

        Args:
            workflow: What to run.
            wires: Its inputs.
            terms: See `Terms`.
            owner: The engine that drives it if it can begin at once; empty: it is queued for any.

        Returns:
            The run; its phase says whether it has begun or is queued.

        Raises:
            CompileErrors: The workflow does not compile.
            ExecutionRefusedError: A plugin is against it.
            AdmissionRefusedError: Its tenant has too many in the queue.
            ExecutionExistsError: There is a run of that id.
            JournalUnreachableError: The store does not answer; it may have the run all the same.
        """
        compiled = workflow.compile()
        check_tasks(self.registry, compiled)
        graph = flatten(compiled)
        compiled = decided(self.registry, compiled, self._request(compiled, graph, wires, terms)).compiled
        code, root = archive_code(workflow.file, workflow.definitions, self.home)
        submitted = self._submitted(compiled, wires, terms, code, root)
        kept = self._create(submitted, terms.get("execution_id", ""), owner, compiled.to_json())
        return Run(kept, compiled, graph, [submitted])

    def _create(self, submitted: Submitted, wanted: str, owner: str, workflow: bytes) -> ExecutionRow:
        limits = self.limits(submitted.project, submitted.domain)
        while True:
            row = self._row(submitted, wanted, owner)
            try:
                kept = self.journal.create(row, workflow, [submitted], limits)
            except ExecutionExistsError:
                if wanted:
                    raise
                # Of a thousand runs of one second, two draw the same id once in sixty times.
                continue
            if kept is None:
                raise self._refusal(row, limits)
            return kept

    def _request(
        self, compiled: CompiledWorkflow, graph: FlatGraph, wires: dict[str, Wire], terms: Terms
    ) -> AdmissionRequest:
        priority = effective_priority(terms.get("priority", 0), terms.get("qos", ""))
        tenant = (terms.get("project") or self.project, terms.get("domain") or self.domain)
        return admission_request(compiled, graph, wires, tenant, priority)

    def _submitted(
        self, compiled: CompiledWorkflow, wires: dict[str, Wire], terms: Terms, code: str, root: Path
    ) -> Submitted:
        parallelism, qos = terms.get("max_parallelism", 0), terms.get("qos", "")
        if parallelism < 0:
            raise TermsError(f"`max_parallelism` is {parallelism}", hint="Give 0 for no limit")
        return Submitted(
            self.clock.now(),
            compiled.body.name,
            compiled.digest,
            wires,
            code,
            terms.get("project") or self.project,
            terms.get("domain") or self.domain,
            str(root),
            effective_priority(terms.get("priority", 0), qos),
            qos,
            parallelism,
        )

    def _row(self, submitted: Submitted, execution: str, owner: str) -> ExecutionRow:
        now = submitted.at
        return ExecutionRow(
            execution=execution or new_execution_id(now, self.dice),
            workflow=submitted.workflow,
            digest=submitted.digest,
            project=submitted.project,
            domain=submitted.domain,
            phase=RunPhase.RUNNING if owner else RunPhase.QUEUED,
            submitted_at=now,
            owner=owner,
            fence=1 if owner else 0,
            lease_until=now + self.journal.lease_s if owner else 0.0,
            detached=not owner,
            priority=submitted.priority,
        )

    def _refusal(self, row: ExecutionRow, limits: TenantLimits) -> AdmissionRefusedError:
        ends = self.journal.queue.ends(row.project, row.domain, RECENT_ENDS)
        wait_s = retry_after_s(ends, self.clock.now())
        return AdmissionRefusedError(
            f"The queue of tenant `{row.project}/{row.domain}` is full: `max_queued` is {limits.max_queued}",
            retry_after_s=wait_s,
            hint=f"Try again in about {wait_s:.0f} s, or raise `max_queued` in the table "
            f'`[tenants."{row.project}/{row.domain}"]` of hardpoint.toml; '
            "`hardpoint executions list --phase queued` shows what waits",
        )
