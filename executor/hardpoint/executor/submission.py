"""Accepting a run: its code is archived, and it is journaled before anybody drives it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.core.flatten import flatten
from hardpoint.core.workflow import Workflow
from hardpoint.executor.archive.submit import archive_code
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import RunPhase, Submitted
from hardpoint.executor.journal.protocol import ExecutionRow, Journal
from hardpoint.plugin_api import Wire

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_execution_id(now: float, dice: random.Random) -> str:
    """An id that sorts by time and is short enough to type.

    >>> new_execution_id(0.0, random.Random(1))
    '19700101-000000-e52hs'
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{''.join(dice.choices(_ALPHABET, k=5))}"


class Terms(msgspec.Struct, frozen=True):
    """Under which a run is accepted.

    Args:
        execution: Its id.
        project, domain: The tenant it is accounted to.
        now: Seconds since the epoch.
        owner: The engine that drives it from the beginning; empty: whoever takes it up.
        lease_s: How long that engine has it without a sign of life.
    """

    execution: str
    project: str
    domain: str
    now: float
    owner: str = ""
    lease_s: float = 0.0


def accept(
    journal: Journal, home: Path, workflow: Workflow[..., Any], wires: dict[str, Wire], terms: Terms
) -> Run:
    """Journal a new run with encoded inputs.

    Raises:
        CompileErrors: The workflow does not compile.
        ExecutionExistsError: There is a run of that id.
        JournalUnreachableError: The store does not answer; it may have the run all the same.
    """
    compiled = workflow.compile()
    code, root = archive_code(workflow.file, workflow.definitions, home)
    row = ExecutionRow(
        execution=terms.execution,
        workflow=compiled.body.name,
        digest=compiled.digest,
        project=terms.project,
        domain=terms.domain,
        phase=RunPhase.RUNNING if terms.owner else RunPhase.QUEUED,
        submitted_at=terms.now,
        owner=terms.owner,
        fence=1 if terms.owner else 0,
        lease_until=terms.now + terms.lease_s if terms.owner else 0.0,
        detached=not terms.owner,
    )
    submitted = Submitted(
        terms.now, row.workflow, row.digest, wires, code, row.project, row.domain, str(root)
    )
    journal.create(row, compiled.to_json(), [submitted])
    return Run(row, compiled, flatten(compiled), [submitted])
