"""What a pool, a project in it, or a domain of that project holds, and its place among its siblings."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from hardpoint.executor.throttle.idleness import Busy
from hardpoint.executor.throttle.keys import ShareKey, share_key
from hardpoint.executor.throttle.lines import Line
from hardpoint.executor.throttle.policy import TenantPolicy


class Share:
    """One place in the tree of a pool: the pool itself, a project, or a domain of a project.

    `held` counts everybody's units, also those of other executors. `offset_us` is the slot time used minus
    `held` times the time: it changes only when `held` does, or when idle time is forfeited. `kept` is what
    it never lends, `reserve` how much of that must be free now, and `inner` the sum of `reserve` over its
    parts.
    """

    __slots__ = (
        "alone",
        "backlog",
        "below",
        "busy",
        "cap",
        "forfeited_us",
        "guarantee",
        "held",
        "inner",
        "is_busy",
        "keepers",
        "kept",
        "key",
        "lines",
        "name",
        "offset_us",
        "parent",
        "parts",
        "reserve",
        "waits_from",
        "weight",
    )

    def __init__(self, name: str, parent: Share | None) -> None:
        self.name = name
        self.parent = parent
        self.parts: dict[str, Share] = {}
        # By the units that are wanted: only those below whom nothing but the units may be in the way.
        self.lines: dict[int, Line[Share]] = {}
        # Where those stand who want something of it: here, or in the line of a tenant its residents.
        self.below: Mapping[int, Line[Any]] = self.lines
        self.busy: Busy[Share] = Busy()
        self.keepers: dict[Share, None] = {}
        self.held = self.offset_us = self.forfeited_us = self.inner = self.reserve = self.backlog = 0
        self.waits_from = 0.0
        self.alone = self.is_busy = False
        self.weight, self.guarantee, self.kept = 1.0, 0, 0
        self.cap: int | None = None
        self.key: ShareKey = (1.0, 0.0, 0.0, 0.0, name)

    def follow(self, policy: TenantPolicy) -> None:
        """Count from now on as a policy says."""
        self.weight, self.guarantee = policy.weight, policy.guarantee
        self.cap, self.kept = policy.cap, policy.kept
        self.reserve_again()
        if self.parent is not None:
            self.parent.regroup(self)

    def regroup(self, changed: Share) -> None:
        """Let a part stand in line anew that is new, or counts in another way.

        The order of a single part without a cap is nobody's concern, so it need not be kept.
        """
        # With the second part the first is not alone any more.
        for share in self.parts.values() if len(self.parts) == 2 else (changed,):
            was_alone = share.alone
            share.alone = len(self.parts) == 1 and share.cap is None and self.parent is not None
            share.move()
            if was_alone and not share.alone and not (share.held or share.backlog):
                self.busy.leave(share, share.offset_us / share.weight)
            share.stir()

    def has_room(self, units: int) -> bool:
        """Whether its cap allows so many more."""
        return self.cap is None or self.held + units <= self.cap

    def used_us(self, now_us: int) -> int:
        """Slot time used, in unit-microseconds."""
        return self.offset_us + self.held * now_us

    def wake(self, now_us: int) -> None:
        """Begin where the least of the busy siblings is, if it was idle.

        Only the executor whose own nodes wake a tenant does so; others hear of it by `forfeit`.
        """
        if self.parent is None or self.is_busy or self.alone:
            return
        least = self.parent.busy.least(now_us) * self.weight
        if least > self.offset_us:
            self.forfeit(self.forfeited_us + ceil(least) - self.offset_us)

    def forfeit(self, forfeited_us: int) -> bool:
        """Count so much slot time as used, for having been idle; whether that is more than before."""
        more_us = forfeited_us - self.forfeited_us
        if more_us <= 0:
            return False
        self.forfeited_us = forfeited_us
        self.offset_us += more_us
        self.move()
        if not self.alone:
            self.stir()
        return True

    def add(self, units: int, now_us: int) -> None:
        """Hold more; negative: hold less."""
        self.held += units
        self.offset_us -= units * now_us
        if self.kept or self.inner or self.reserve:
            self.reserve_again()
        if not self.alone:
            self.stir()

    def want(self, asked_at: float) -> None:
        """Somebody below waits for units of the pool, here or in the line of another one."""
        self.waits_from = min(self.waits_from, asked_at) if self.backlog else asked_at
        self.backlog += 1
        if not self.alone:
            self.stir()

    def want_less(self) -> None:
        """One who waited waits no more."""
        self.backlog -= 1
        if not self.alone:
            self.stir()

    def stir(self) -> None:
        """Be busy or idle, as it is now, and stand in the lines of the parent accordingly."""
        assert self.parent is not None
        if self.held or self.backlog:
            self.move()
            self.parent.busy.put(self, self.key)
            self.is_busy = True
        elif self.is_busy:
            self.parent.busy.leave(self, self.offset_us / self.weight)
            self.is_busy = False

    def move(self) -> None:
        """Take the place that is due to it in the lines of its parent."""
        key = self.key = share_key(
            self.held,
            guarantee=self.guarantee,
            weight=self.weight,
            offset_us=self.offset_us,
            waits_from=self.waits_from,
            name=self.name,
        )
        if self.parent is not None:
            for units, line in self.below.items():
                if line.keys:
                    self.parent.line(units).put(self, key)

    def line(self, units: int) -> Line[Share]:
        """The line of its parts that want so many units."""
        line = self.lines.get(units)
        if line is None:
            line = self.lines[units] = Line()
        return line

    def reserve_again(self) -> None:
        """Note how much must be kept free for it now, here and above."""
        reserve = max(self.kept - self.held, self.inner, 0)
        if self.parent is None or reserve == self.reserve:
            return
        self.parent.inner += reserve - self.reserve
        self.reserve = reserve
        if reserve:
            self.parent.keepers[self] = None
        else:
            self.parent.keepers.pop(self, None)
        if self.parent.parent is not None:
            self.parent.reserve_again()
