"""What would happen: work that takes known times, let through a throttle on a clock that jumps."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from hardpoint.executor.situation import Busy
from hardpoint.executor.throttle.lots import Holder, Lot
from hardpoint.executor.throttle.policy import Tenant
from hardpoint.executor.throttle.throttle import Throttle
from hardpoint.plugin_api import ResourceClaim

GRANTS_MAX = 200_000
"""Where a simulation breaks off: what has not begun by then, begins late."""


class Step(msgspec.Struct, frozen=True):
    """A node that is to run, or several items of one.

    Args:
        id: Its run and its name.
        tenant, priority, since: As in `Throttle.lot`.
        claims: What each item holds.
        duration_s: How long each item takes; infinite if that is not known.
        upstream: Steps that must have ended before.
        items: How many.
        at_once: So many of them at a time; 0 for any number.
        not_before: It waits until then in any case; seconds since the epoch.
    """

    id: Holder
    tenant: Tenant
    claims: tuple[ResourceClaim, ...] = ()
    duration_s: float = 0.0
    upstream: tuple[Holder, ...] = ()
    items: int = 1
    at_once: int = 0
    not_before: float = 0.0
    priority: int = 0
    since: float = 0.0


class Running(msgspec.Struct, frozen=True):
    """What holds units already, and until when; it may be an item of a step that is still to go on."""

    busy: Busy
    ends_at: float
    step: Holder | None = None


class Course(msgspec.Struct):
    """How a step went.

    Args:
        ready_at: When its last upstream had ended.
        began_at: When its first item began; None: not in the time that was looked at.
        ended_at: When its last item had ended.
        waited_s: How long it, or any of its items, waited, by pool.
    """

    ready_at: float | None = None
    began_at: float | None = None
    ended_at: float | None = None
    waited_s: dict[str, float] = {}


class Forecast(msgspec.Struct, frozen=True):
    """What would happen.

    Args:
        courses: Of each step.
        ended_at: When everything had ended; None if something never does.
        chain: The steps that determined that, from first to last.
        waited_s: How long they waited, by pool.
    """

    courses: dict[Holder, Course]
    ended_at: float | None
    chain: tuple[Holder, ...]
    waited_s: dict[str, float]

    @property
    def limiting(self) -> str:
        """The pool that those waited for longest; empty if they waited for none."""
        waits = {pool: seconds for pool, seconds in self.waited_s.items() if seconds > 0.0}
        return max(sorted(waits), key=waits.__getitem__, default="")


def simulate(
    steps: Sequence[Step],
    throttle: Throttle,
    now: float,
    running: Iterable[Running] = (),
    only: Iterable[Holder] | None = None,
) -> Forecast:
    """Let steps run as soon as they may.

    Args:
        steps: What is to run.
        throttle: Who may hold what; what `running` holds is booked in it.
        now: When that begins; seconds since the epoch.
        running: What is in flight already.
        only: Break off once these have begun; None: when everything has ended.

    >>> from hardpoint.executor.throttle.policy import PoolPolicy
    >>> db = (ResourceClaim("db"),)
    >>> steps = [Step(("r", name), Tenant("p", "d"), db, duration_s=10.0) for name in "abc"]
    >>> found = simulate(steps, Throttle(lambda pool: PoolPolicy(capacity=2)), now=0.0)
    >>> found.ended_at, found.limiting, found.chain, found.courses["r", "c"].waited_s
    (20.0, 'db', (('r', 'c'),), {'db': 10.0})
    """
    return _Simulation(steps, throttle, now, running).run(only)


class _Waits:
    """How long a lot has waited, by pool, up to now; one copy for all that ask at the same moment."""

    __slots__ = ("copy", "seconds")

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.copy: dict[str, float] | None = None

    def add(self, pool: str, seconds: float) -> None:
        self.seconds[pool] = self.seconds.get(pool, 0.0) + seconds
        self.copy = None

    def snapshot(self) -> dict[str, float]:
        if self.copy is None:
            self.copy = dict(self.seconds)
        return self.copy

    def since(self, then: Mapping[str, float]) -> dict[str, float]:
        found = {pool: seconds - then.get(pool, 0.0) for pool, seconds in self.seconds.items()}
        return {pool: seconds for pool, seconds in found.items() if seconds > 0.0}


class _Simulation:
    def __init__(
        self, steps: Sequence[Step], throttle: Throttle, now: float, running: Iterable[Running]
    ) -> None:
        self._throttle = throttle
        self._now = now
        self._steps = {step.id: step for step in steps}
        self._courses = {step.id: Course(waited_s={}) for step in steps}
        self._pending = {step.id: sum(up in self._steps for up in step.upstream) for step in steps}
        self._dependents: dict[Holder, list[Holder]] = {}
        for step in steps:
            for up in step.upstream:
                self._dependents.setdefault(up, []).append(step.id)
        # Of each step: items that nobody asked for yet, and those that have not ended.
        self._unasked = {step.id: step.items for step in steps}
        self._left = {step.id: step.items for step in steps}
        self._active = dict.fromkeys(self._steps, 0)
        self._waits: dict[Lot, _Waits] = {}
        self._asked: dict[Holder, tuple[Holder, Lot]] = {}
        # Of steps of which something waits: how much, and what their lot had waited when that began.
        self._waiting: dict[Holder, int] = {}
        self._waited: dict[Holder, dict[str, float]] = {}
        self._numbers = itertools.count()
        self._ends: list[tuple[float, int, Callable[[], None]]] = []
        self._granted = 0
        self._awaited: set[Holder] = set()
        for each in running:
            self._take_over(each)

    def _take_over(self, each: Running) -> None:
        if each.step in self._left:
            self._left[each.step] += 1
            self._active[each.step] += 1
        self._at(each.ends_at, lambda: self._over(each.busy.holder, each.step))

    def run(self, only: Iterable[Holder] | None) -> Forecast:
        self._awaited = set(self._steps if only is None else only)
        for id, step in self._steps.items():
            if not self._pending[id]:
                self._at(max(self._now, step.not_before), lambda id=id: self._ready(id))  # type: ignore[misc]
        while self._granted < GRANTS_MAX and (only is None or self._awaited) and self._advance():
            pass
        ends = [course.ended_at for course in self._courses.values()]
        known = [at for at in ends if at is not None]
        ended_at = max(known, default=self._now) if len(known) == len(ends) else None
        chain = self._chain()
        waited_s: dict[str, float] = {}
        for id in chain:
            for pool, seconds in self._courses[id].waited_s.items():
                waited_s[pool] = waited_s.get(pool, 0.0) + seconds
        return Forecast(self._courses, ended_at, chain, waited_s)

    def _at(self, at: float, then: Callable[[], None]) -> None:
        if at != float("inf"):
            heapq.heappush(self._ends, (at, next(self._numbers), then))

    def _advance(self) -> bool:
        """Go to the next moment at which something happens, and let it; False if nothing will."""
        due = self._throttle.next_due
        times = ([self._ends[0][0]] if self._ends else []) + ([due] if due is not None else [])
        if not times:
            return False
        at = max(self._now, min(times))
        self._wait_until(at)
        while self._ends and self._ends[0][0] <= at:
            heapq.heappop(self._ends)[2]()
        for holder in self._throttle.decide(at):
            self._begin(holder)
        return True

    def _wait_until(self, at: float) -> None:
        waited_s, self._now = at - self._now, at
        if waited_s <= 0.0:
            return
        for lot, waits in self._waits.items():
            if lot:
                waits.add(self._where(lot), waited_s)

    def _where(self, lot: Lot) -> str:
        if lot.home is not None:
            return lot.home.pool.name
        why = self._throttle.why(lot, self._now)
        return why.pool if why is not None else ""

    def _ready(self, id: Holder) -> None:
        self._courses[id].ready_at = self._now
        self._ask(id)
        if not self._left[id]:
            self._end(id)

    def _ask(self, id: Holder) -> None:
        """Let items wait for what they claim, as many as may at once."""
        step = self._steps[id]
        while self._unasked[id] and not (step.at_once and self._active[id] >= step.at_once):
            self._active[id] += 1
            number = step.items - self._unasked[id]
            self._unasked[id] -= 1
            holder = id if step.items == 1 else (id[0], f"{id[1]}[+{number}]")
            if not step.claims:
                self._started(id)
                self._at(self._now + step.duration_s, lambda id=id: self._over(None, id))  # type: ignore[misc]
                continue
            lot = self._throttle.lot(
                id[0], step.tenant, step.claims, since=step.since, priority=step.priority
            )
            waits = self._waits.setdefault(lot, _Waits())
            self._asked[holder] = (id, lot)
            self._waiting[id] = self._waiting.get(id, 0) + 1
            self._waited.setdefault(id, waits.snapshot())
            self._throttle.ask(lot, holder, self._now)

    def _started(self, id: Holder) -> None:
        course = self._courses[id]
        if course.began_at is None:
            course.began_at = self._now
            self._awaited.discard(id)

    def _begin(self, holder: Holder) -> None:
        self._granted += 1
        id, lot = self._asked.pop(holder)
        self._started(id)
        self._waiting[id] -= 1
        if not self._waiting[id]:
            sums = self._courses[id].waited_s
            for pool, seconds in self._waits[lot].since(self._waited.pop(id)).items():
                sums[pool] = sums.get(pool, 0.0) + seconds
        self._at(self._now + self._steps[id].duration_s, lambda: self._over(holder, id))

    def _over(self, holder: Holder | None, id: Holder | None) -> None:
        if holder is not None:
            self._throttle.release(holder, self._now)
        if id is None or id not in self._left:
            return
        self._left[id] -= 1
        self._active[id] -= 1
        if self._pending[id] or self._courses[id].ready_at is None:
            return
        self._ask(id)
        if not self._left[id]:
            self._end(id)

    def _end(self, id: Holder) -> None:
        self._courses[id].ended_at = self._now
        for below in self._dependents.get(id, ()):
            self._pending[below] -= 1
            if not self._pending[below]:
                not_before = max(self._now, self._steps[below].not_before)
                self._at(not_before, lambda below=below: self._ready(below))  # type: ignore[misc]

    def _chain(self) -> tuple[Holder, ...]:
        """Back from the step that ended last, always to the upstream that ended last."""
        ended = {id: course.ended_at for id, course in self._courses.items() if course.ended_at is not None}
        found: list[Holder] = []
        # Of several that end together, the last in order: its waits are the longest.
        last = max(ended, key=lambda id: (ended[id], sum(self._courses[id].waited_s.values())), default=None)
        while last is not None:
            found.append(last)
            ups = [up for up in self._steps[last].upstream if up in ended]
            last = max(ups, key=ended.__getitem__, default=None)
        return tuple(reversed(found))
