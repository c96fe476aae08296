"""Links beside one attempt, made from what plugins declare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from hardpoint.plugin_api import JobRef, LogLink

Templates: TypeAlias = Mapping[str, Sequence[LogLink]]
"""By task type."""
FindTemplates: TypeAlias = Callable[[frozenset[str]], Templates]
"""Those of some task types."""


def no_templates(task_types: frozenset[str]) -> Templates:
    """Where nobody looks at links."""
    return {}


def rendered(
    templates: Iterable[LogLink], *, execution: str, node: str, attempt: int, job: JobRef | None
) -> dict[str, str]:
    """Titles and addresses for one attempt; what asks for a job is left out while there is none.

    >>> link = LogLink("Console", "https://x.example/{job}")
    >>> rendered([link], execution="e", node="n", attempt=1, job=JobRef("j-1"))
    {'Console': 'https://x.example/j-1'}
    >>> rendered([link], execution="e", node="n", attempt=1, job=None)
    {}
    """
    found: dict[str, str] = {}
    for link in templates:
        if job is None and ("{job" in link.template or "{account" in link.template):
            continue
        known = job or JobRef("")
        try:
            found[link.title] = link.url(
                execution=execution, node=node, attempt=attempt, job=known.id, account=known.account
            )
        except Exception:  # noqa: S112 - a manifest may hold any template, and no view fails by it
            continue
    return found
