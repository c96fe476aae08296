"""Whose queued run begins next: fair between tenants, at two levels; inside one by priority, then age."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from hardpoint.executor.config.tenant_limits import TenantLimits
from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.executor.journal.queue import Head, Standing


def in_turn(
    standing: Standing,
    limits: Callable[[str, str], TenantLimits],
    first: Callable[[Head], Iterator[ExecutionRow]],
) -> Iterator[ExecutionRow]:
    """Queued runs in the order in which they should begin.

    The next run is of the project with the fewest running, there of the domain with the fewest running, and
    among equals of the one whose first run waits longest. To have more in the queue than others is no use.

    Args:
        standing: How tenants stand.
        limits: Of a tenant; whoever has enough running is left out.
        first: A tenant's runs by priority, then age; asked for when it is the tenant's turn.

    >>> from hardpoint.executor.journal.queue import Head
    >>> flood, one = Head("ads", "test", 1.0), Head("shop", "test", 2.0)
    >>> names = {flood: ["a1", "a2", "a3"], one: ["s1"]}
    >>> order = in_turn(Standing([flood, one], {}), lambda *_: TenantLimits(), lambda head: iter(names[head]))
    >>> list(order)
    ['a1', 's1', 'a2', 'a3']
    """
    running = Counter(standing.running)
    of_project: Counter[str] = Counter()
    for (project, _), count in running.items():
        of_project[project] += count
    lines: dict[Head, Iterator[ExecutionRow]] = {}
    left = set(standing.heads)

    def place(head: Head) -> tuple[int, int, float, str, str]:
        tenant = (head.project, head.domain)
        return (of_project[head.project], running[tenant], head.submitted_at, *tenant)

    while left:
        head = min(left, key=place)
        most = limits(head.project, head.domain).max_running
        if most is not None and running[head.project, head.domain] >= most:
            left.remove(head)
            continue
        line = lines[head] if head in lines else lines.setdefault(head, first(head))
        row = next(line, None)
        if row is None:
            left.remove(head)
            continue
        running[head.project, head.domain] += 1
        of_project[head.project] += 1
        yield row
