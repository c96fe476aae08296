"""What plugins decide about: a run that comes in, a task of it, and who runs a task type."""

from __future__ import annotations

from typing import Any

import msgspec


class AdmissionRequest(msgspec.Struct, frozen=True):
    """A run that somebody wants to submit.

    Args:
        workflow: Its name.
        digest: Of the compiled workflow.
        project, domain: The tenant.
        inputs: Wire values by name.
        task_types: Those it uses, sorted.
        nodes: How many nodes it has.
        priority: Larger goes first.
    """

    workflow: str
    digest: str
    project: str
    domain: str
    inputs: dict[str, Any]
    task_types: tuple[str, ...]
    nodes: int
    priority: int = 0


class Refusal(msgspec.Struct, frozen=True):
    """Why something must not be.

    Args:
        message: What is refused, and why, with which values.
        hint: What helps.
        retry_after_s: When it may be tried again; 0 for never.
    """

    message: str
    hint: str = ""
    retry_after_s: float = 0.0


class Candidate(msgspec.Struct, frozen=True):
    """A distribution that offers a task type.

    Args:
        distribution, version: What is installed.
        target: Where its plugin is, `module:attribute`.
    """

    distribution: str
    version: str
    target: str
