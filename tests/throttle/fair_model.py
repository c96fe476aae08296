"""The rules of sharing once more, slow and obvious: figures as they are, each choice a minimum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from hardpoint.executor.throttle import PoolPolicy, Tenant, TenantPolicy

Holder = tuple[str, str]


@dataclass
class Node:
    """A project, or a domain of one."""

    name: str
    policy: TenantPolicy
    held: int = 0
    used: Fraction = Fraction(0)
    waiting: int = 0
    parts: dict[str, Node] = field(default_factory=dict)
    floor: Fraction = Fraction(-1)

    @property
    def busy(self) -> bool:
        return bool(self.held or self.waiting)

    @property
    def weight(self) -> Fraction:
        return Fraction(self.policy.weight)

    def key(self) -> tuple[Fraction, Fraction, Fraction]:
        guarantee = self.policy.guarantee
        deficit = Fraction(self.held, guarantee) if self.held < guarantee else Fraction(1)
        return deficit, self.held / self.weight, self.used / self.weight

    def kept_free(self) -> int:
        """What must stay free for it now."""
        return max(self.policy.kept - self.held, sum(part.kept_free() for part in self.parts.values()), 0)


@dataclass(frozen=True)
class Wait:
    """One waiting holder."""

    tenant: Tenant
    holder: Holder
    units: int
    order: tuple[int, float, str, float, int]


class OnePool:
    """What one pool must do; holders claim units of nothing else."""

    def __init__(self, policy: PoolPolicy) -> None:
        self.policy = policy
        self.root = Node("", TenantPolicy())
        self.waits: dict[Holder, Wait] = {}
        self.holds: dict[Holder, Wait] = {}
        self.now = Fraction(0)

    def path(self, tenant: Tenant) -> tuple[Node, Node, Node]:
        """The pool, the project, the domain."""
        project = self.root.parts.setdefault(
            tenant.project, Node(tenant.project, self.policy.of_project(tenant.project))
        )
        domain = project.parts.setdefault(tenant.domain, Node(tenant.domain, self.policy.of_domain(tenant)))
        return self.root, project, domain

    def follow(self, policy: PoolPolicy) -> None:
        self.policy = policy
        for project in self.root.parts.values():
            project.policy = policy.of_project(project.name)
            for domain in project.parts.values():
                domain.policy = policy.of_domain(Tenant(project.name, domain.name))

    def advance(self, now: float) -> None:
        past = Fraction(now) - self.now
        self.now = Fraction(now)
        for project in self.root.parts.values():
            for node in (project, *project.parts.values()):
                node.used += node.held * past

    def change(self, tenant: Tenant, *, held: int = 0, waiting: int = 0) -> None:
        """Count; who was idle starts no lower than the least of the busy, or than the last to leave."""
        path = self.path(tenant)
        for parent, node in pairwise(path):
            if not node.busy:
                busy = [each.used / each.weight for each in parent.parts.values() if each.busy]
                node.used = max(node.used, min(busy, default=parent.floor) * node.weight)
            node.held += held
            node.waiting += waiting
            if not node.busy:
                parent.floor = max(parent.floor, node.used / node.weight)

    def ask(self, wait: Wait) -> None:
        self.waits[wait.holder] = wait
        self.change(wait.tenant, waiting=1)

    def withdraw(self, holder: Holder) -> None:
        self.change(self.waits.pop(holder).tenant, waiting=-1)

    def grant(self, holder: Holder) -> None:
        wait = self.holds[holder] = self.waits.pop(holder)
        self.change(wait.tenant, held=wait.units)
        self.change(wait.tenant, waiting=-1)

    def release(self, holder: Holder) -> None:
        wait = self.holds.pop(holder)
        self.change(wait.tenant, held=-wait.units)

    def held(self) -> int:
        return sum(wait.units for wait in self.holds.values())

    def may(self, wait: Wait) -> bool:
        """Whether capacity, caps and what others keep allow it."""
        _, project, domain = self.path(wait.tenant)
        if any(
            node.policy.cap is not None and node.held + wait.units > node.policy.cap
            for node in (project, domain)
        ):
            return False
        free = 1 << 60 if self.policy.capacity is None else self.policy.capacity - self.held() - wait.units
        if free < 0:
            return False
        before = self.kept_by_project(project), self.root.kept_free()
        for node in (project, domain):
            node.held += wait.units
        after = self.kept_by_project(project), self.root.kept_free()
        room = None if project.policy.cap is None else project.policy.cap - project.held
        for node in (project, domain):
            node.held -= wait.units
        siblings_spared = room is None or before[0] - after[0] == wait.units or room >= after[0]
        return siblings_spared and (before[1] - after[1] == wait.units or free >= after[1])

    def kept_by_project(self, project: Node) -> int:
        return sum(domain.kept_free() for domain in project.parts.values())

    def firsts(self) -> Iterator[Wait]:
        """Those who may be granted next: who is least by every rule, all of them if some are equal."""
        able = [wait for wait in self.waits.values() if self.may(wait)]
        least = min((self.path(wait.tenant)[1].key() for wait in able), default=None)
        for wait in able:
            _, project, domain = self.path(wait.tenant)
            siblings = [
                self.path(each.tenant)[2].key() for each in able if each.tenant.project == project.name
            ]
            rivals = [each.order for each in able if each.tenant == wait.tenant]
            if (project.key(), domain.key(), wait.order) == (least, min(siblings), min(rivals)):
                yield wait
