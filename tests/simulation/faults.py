"""What goes wrong in one simulated world, and when: drawn from its seed, a few kinds at a time."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
from tests.simulation.sim_network import Weather

STALLS_S = (5.0, 45.0, 90.0, 200.0)

Windows = tuple[tuple[float, float], ...]
"""From when to when. Virtual seconds."""

TROUBLE_S = 40.0
"""Most faults begin within this time, when most runs are under way."""


class Disk(msgspec.Struct, frozen=True):
    """How the journal's disk, or its database, fares.

    Args:
        slow: When a commit takes up to `slow_most_s`.
        full: When nothing can be written.
        unreachable: When nothing can be read or written, as with a database whose network is down.
        power_cuts: When all machines go dark: what was not durable may be lost.
        torn: Whether the last bytes written before a power cut are damaged.
    """

    slow: Windows = ()
    slow_most_s: float = 0.0
    full: Windows = ()
    unreachable: Windows = ()
    power_cuts: tuple[float, ...] = ()
    torn: bool = False


class Engines(msgspec.Struct, frozen=True):
    """How many engines there are, and how they fare.

    Args:
        count: Of engines at a time, each on a machine of its own; all share one journal.
        workers: Of each engine.
        fuses: The first engine is killed at its so-manieth boundary, the next one started at the second
            number, and so on; 0 and after the last: never. A boundary is before a commit, after it, and
            before each act that follows.
        stalls: The first engine's thread stands still, with all the process, at its so-manieth boundary for
            so many seconds; and so on like the fuses.
        kills: When one is killed between its turns.
        restart_s: Until a killed one is started again.
        known_dead: Whether a new one knows at once that the old one is dead; else the lease must lapse.
        stops: When one is stopped gently.
        pauses: When, and for how long, one stands still with everything it started, then goes on.
        cut_off: When the first machine alone cannot reach the journal.
        jumps: When a machine's wall clock jumps, and by how many seconds.
        skew_s: How far the machines' clocks may be off at first.
    """

    count: int = 1
    workers: int = 2
    fuses: tuple[int, ...] = ()
    stalls: tuple[tuple[int, float], ...] = ()
    kills: tuple[float, ...] = ()
    restart_s: float = 1.0
    known_dead: bool = True
    stops: tuple[float, ...] = ()
    pauses: Windows = ()
    cut_off: Windows = ()
    jumps: Windows = ()
    skew_s: float = 0.0


class Wishes(msgspec.Struct, frozen=True):
    """What users do meanwhile.

    Args:
        second_at_s: When the same workflow is submitted once more.
        abort_at_s: When the first run is aborted.
        repair: Whether a run that failed is resumed, its broken functions corrected.
    """

    second_at_s: float | None = None
    abort_at_s: float | None = None
    repair: bool = False


class Faults(msgspec.Struct, frozen=True):
    """Everything that goes wrong in one world.

    Args:
        weather, disk, engines, wishes: See there.
        sql: Whether the journal is a real SQLite file.
        worker_deaths: Probability that a call takes its worker with it; a call repeats at most twice for it.
        worker_delay_s: Longest time until a new worker runs its first call.
        echo: Probability that a worker's answer comes twice, or after its call was given up.
        hang: Probability that a step's answer comes only after minutes.
        step_most_s: Longest time until a step begins.
        roughness: Probability that a verb of a rough handler misbehaves.
    """

    weather: Weather = Weather()
    disk: Disk = Disk()
    engines: Engines = Engines()
    wishes: Wishes = Wishes()
    sql: bool = False
    worker_deaths: float = 0.0
    worker_delay_s: float = 0.0
    echo: float = 0.0
    hang: float = 0.0
    step_most_s: float = 0.01
    roughness: float = 0.0

    @property
    def hold_nobody_up(self) -> bool:
        """Whether engines do at once what is due, by clocks that nobody sets."""
        disk, engines = self.disk, self.engines
        is_quick = not (disk.slow or disk.unreachable or disk.full or engines.cut_off)
        return is_quick and not (engines.pauses or engines.stalls or engines.jumps)

    @property
    def are_none(self) -> bool:
        """Whether nothing goes wrong, so that even limits of time end as planned."""
        calm = msgspec.structs.replace(self, sql=False, step_most_s=0.01, wishes=Wishes())
        return calm == Faults(engines=Engines(workers=self.engines.workers))


class _Dice:
    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def chance(self, probability: float) -> bool:
        return self._dice.random() < probability

    def time(self) -> float:
        """Early more often than late: most runs are short."""
        return TROUBLE_S * self._dice.random() ** 2

    def windows(self, probability: float, lengths_s: tuple[float, ...]) -> Windows:
        if not self.chance(probability):
            return ()
        begins_s = self.time()
        return ((begins_s, begins_s + self._dice.choice(lengths_s) * self._dice.random()),)

    def times(self, probability: float, most: int) -> tuple[float, ...]:
        if not self.chance(probability):
            return ()
        return tuple(sorted(self.time() for _ in range(self._dice.randint(1, most))))

    def some(self, probability: float, value: Callable[[], float]) -> float:
        return value() if self.chance(probability) else 0.0


def draw_faults(dice: random.Random) -> Faults:
    """Choose which kinds of fault this world has, and their times."""
    draw = _Dice(dice)
    if draw.chance(0.08):
        return Faults(engines=Engines(workers=dice.randint(1, 4)), sql=draw.chance(0.02))
    two = draw.chance(0.25)
    sql = draw.chance(0.02)
    engines = _engines(draw, dice, two=two)
    return Faults(
        weather=_weather(draw, dice, jumps=bool(engines.jumps)),
        disk=_disk(draw, dice, power=not two, sql=sql),
        engines=engines,
        wishes=Wishes(
            second_at_s=draw.time() if draw.chance(0.15) else None,
            abort_at_s=draw.time() if draw.chance(0.12) else None,
            repair=draw.chance(0.7),
        ),
        sql=sql,
        worker_deaths=draw.some(0.2, lambda: 0.2),
        worker_delay_s=draw.some(0.2, lambda: 3.0),
        echo=draw.some(0.1, lambda: 0.3),
        hang=draw.some(0.08, lambda: 0.1),
        step_most_s=dice.choice((0.0, 0.01, 0.3, 3.0)),
        roughness=draw.some(0.3, lambda: 0.15),
    )


def _weather(draw: _Dice, dice: random.Random, *, jumps: bool) -> Weather:
    outages = draw.windows(0.12, (5.0, 20.0, 60.0, 300.0))
    if draw.chance(0.002):
        begins_s = draw.time()
        outages = ((begins_s, begins_s + dice.uniform(1.0, 5.0) * 3600),)
    weather = Weather(
        until_s=TROUBLE_S * 2,
        lost=draw.some(0.3, lambda: dice.choice((0.05, 0.3))),
        reply_lost=draw.some(0.4, lambda: dice.choice((0.05, 0.3, 0.6))),
        late=draw.some(0.2, lambda: dice.choice((0.1, 0.5))),
        throttled=draw.some(0.2, lambda: dice.choice((0.1, 0.5))),
        slow=draw.some(0.25, lambda: dice.choice((0.1, 0.5))),
        slow_most_s=dice.choice((0.1, 1.0, 4.0)),
        lag=draw.some(0.4, lambda: dice.choice((0.2, 0.95))),
        blind=draw.chance(0.3),
        outages=outages,
    )
    # Settling delays are measured on the wall clock: they say nothing while somebody sets it.
    return msgspec.structs.replace(weather, late=0.0, lag=0.0, blind=False) if jumps else weather


def _disk(draw: _Dice, dice: random.Random, *, power: bool, sql: bool) -> Disk:
    return Disk(
        slow=draw.windows(0.1, (60.0,)),
        slow_most_s=dice.choice((0.2, 2.0, 20.0)),
        full=draw.windows(0.06, (30.0, 120.0)),
        unreachable=draw.windows(0.06, (5.0, 30.0, 120.0)),
        power_cuts=draw.times(0.08, 2) if power else (),
        torn=sql and draw.chance(0.5),
    )


def _engines(draw: _Dice, dice: random.Random, *, two: bool) -> Engines:
    fuses: tuple[int, ...] = ()
    if draw.chance(0.5):
        fuses = tuple(
            dice.choice((dice.randint(1, 12), dice.randint(1, 60))) for _ in range(dice.randint(1, 4))
        )
    stalls: tuple[tuple[int, float], ...] = ()
    if draw.chance(0.3 if two else 0.05):
        stalls = tuple((dice.randint(1, 40), dice.choice(STALLS_S) * dice.random()) for _ in range(3))
    jumps: Windows = ()
    if draw.chance(0.08):
        furthest_s = 4.0 if two else 600.0
        jumps = tuple((draw.time(), dice.uniform(-furthest_s, furthest_s)) for _ in range(dice.randint(1, 2)))
    return Engines(
        count=2 if two else 1,
        workers=dice.choice((1, 2, 4)),
        fuses=fuses,
        stalls=stalls,
        kills=draw.times(0.2, 2),
        restart_s=dice.choice((0.05, 1.0, 10.0)),
        known_dead=draw.chance(0.7),
        stops=draw.times(0.08, 1),
        pauses=draw.windows(0.3 if two else 0.05, STALLS_S),
        cut_off=draw.windows(0.25, (30.0, 60.0, 200.0)) if two else (),
        jumps=jumps,
        skew_s=draw.some(0.3, lambda: 2.0) if two else 0.0,
    )
