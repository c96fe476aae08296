"""Order and cycles of a graph given as plain names; nothing here recurses, so depth does not matter."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


def runnable_order(upstream: Mapping[str, Collection[str]]) -> list[str]:
    """Return every name after all names it waits for, as close to the given order as that allows.

    Args:
        upstream: For each name, what it waits for; names that are not keys are ignored.

    Returns:
        All names that can run. Those on a cycle, or behind one, are left out.

    >>> runnable_order({"train": ["load"], "load": [], "plot": []})
    ['load', 'train', 'plot']
    >>> runnable_order({"a": ["b"], "b": ["a"], "c": ["b"], "d": []})
    ['d']
    """
    stuck = _behind_cycles(upstream)
    done: set[str] = set()
    order: list[str] = []
    for start in upstream:
        stack = [start] if start not in stuck else []
        while stack:
            name = stack[-1]
            waits = [] if name in done else [up for up in upstream[name] if up in upstream and up not in done]
            if waits:
                stack.extend(reversed(waits))
                continue
            stack.pop()
            if name not in done:
                done.add(name)
                order.append(name)
    return order


def in_runnable_order(upstream: Iterable[tuple[str, Collection[str]]]) -> bool:
    """Whether each name comes after everything it waits for.

    >>> in_runnable_order([("a", []), ("b", ["a"])]), in_runnable_order([("b", ["a"]), ("a", [])])
    (True, False)
    """
    seen: set[str] = set()
    for name, waits in upstream:
        if not seen.issuperset(waits):
            return False
        seen.add(name)
    return True


def find_cycle(upstream: Mapping[str, Collection[str]]) -> list[str] | None:
    """Return one cycle in running order, its first name repeated at the end; None if there is none.

    >>> find_cycle({"a": ["c"], "b": ["a"], "c": ["b"], "d": ["a"]})
    ['a', 'b', 'c', 'a']
    >>> find_cycle({"a": [], "b": ["a"]})
    """
    stuck = _behind_cycles(upstream)
    if not stuck:
        return None
    seen: dict[str, int] = {}
    path: list[str] = []
    # Every stuck name waits for a stuck name, so going up must come back to one that was seen.
    name = next(each for each in upstream if each in stuck)
    while name not in seen:
        seen[name] = len(path)
        path.append(name)
        name = next(each for each in upstream[name] if each in stuck)
    cycle = path[seen[name] :][::-1]
    place = {name: index for index, name in enumerate(upstream)}
    first = cycle.index(min(cycle, key=place.__getitem__))
    turned = cycle[first:] + cycle[:first]
    return [*turned, turned[0]]


def _behind_cycles(upstream: Mapping[str, Collection[str]]) -> set[str]:
    """Names that can never run because a cycle is among what they wait for."""
    left = {name: sum(each in upstream for each in set(waits)) for name, waits in upstream.items()}
    downstream: dict[str, list[str]] = {name: [] for name in upstream}
    for name, waits in upstream.items():
        for each in set(waits):
            if each in downstream:
                downstream[each].append(name)
    ready = [name for name, count in left.items() if not count]
    for name in ready:
        for each in downstream[name]:
            left[each] -= 1
            if not left[each]:
                ready.append(each)
    return {name for name, count in left.items() if count}
