"""What lies between a process and the service: calls that are slow, refused, lost, or arrive after all."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

import msgspec
from tests.simulation.virtual_time import VirtualTime

from hardpoint.plugin_api import ThrottledError, TransientError

T = TypeVar("T")
Answer = Callable[[], T]

DEEPEST = 6
"""Calls that wait inside one another's waiting; beyond that a call is quick."""


class Weather(msgspec.Struct, frozen=True):
    """How calls fare until `until_s`; after that all is well. Probabilities for each call.

    Args:
        lost: It never reaches the service.
        reply_lost: It is carried out, and the caller does not learn of it.
        late: The caller gives up, and it is carried out afterwards.
        throttled: It is refused, with a time to wait.
        slow: It takes up to `slow_most_s` to arrive, and as long for the reply.
        lag: How long listings lag, as a part of the settling delay that the task type declares.
        blind: Also reads by id do not know a job until listings show it.
        outages: From when to when every call fails. Virtual seconds.
    """

    until_s: float = 0.0
    lost: float = 0.0
    reply_lost: float = 0.0
    late: float = 0.0
    throttled: float = 0.0
    slow: float = 0.0
    slow_most_s: float = 0.0
    lag: float = 0.0
    blind: bool = False
    outages: tuple[tuple[float, float], ...] = ()


class HungUpError(BaseException):
    """The process that made the call is dead; not an `Exception`, because no plugin may survive it."""


class SimNetwork:
    """Carries calls.

    Args:
        time, dice: The world's.
        weather: How they fare.
        note: Told of each fault, for the trace.
    """

    def __init__(
        self, time: VirtualTime, dice: random.Random, weather: Weather, note: Callable[[str, str], None]
    ) -> None:
        self.weather = weather
        self.time = time
        self._dice = dice
        self.note = note
        self._depth = 0

    @property
    def is_bad(self) -> bool:
        """Whether anything may go wrong now."""
        return self.time.now_s < self.weather.until_s

    def lag_s(self, settling_s: float) -> float:
        """How long listings will not show a job that is created now."""
        lag = self.weather.lag
        return self._dice.random() * lag * settling_s if lag else 0.0

    def call(self, name: str, effect: Callable[[], T], alive: Callable[[], bool], latest_s: float = 0.0) -> T:
        """Carry out one call.

        Args:
            name: For the trace.
            effect: What the service does.
            alive: Whether the caller still is.
            latest_s: How long after the caller gave up it may be carried out; 0: not at all.
        """
        weather, time = self.weather, self.time
        for begins_s, ends_s in weather.outages:
            if begins_s <= time.now_s < ends_s:
                self.note("fault", f"{name}: outage")
                raise TransientError("the service is down")
        if time.now_s >= weather.until_s:
            return effect()
        drawn = self._dice.random()
        if weather.slow and self._depth < DEEPEST and self._dice.random() < weather.slow:
            return self._slowly(name, effect, alive, drawn)
        return self._fast(name, effect, drawn, latest_s)

    def _fast(self, name: str, effect: Callable[[], T], drawn: float, latest_s: float) -> T:
        weather = self.weather
        if drawn < weather.lost:
            self.note("fault", f"{name}: request lost")
            raise TransientError("connection refused")
        drawn -= weather.lost
        if drawn < weather.reply_lost:
            self.note("fault", f"{name}: reply lost")
            effect()
            raise TransientError("connection reset")
        drawn -= weather.reply_lost
        if drawn < weather.throttled:
            self.note("fault", f"{name}: throttled")
            raise ThrottledError("slow down", retry_after_s=self._dice.choice((None, 0.5, 5.0)))
        drawn -= weather.throttled
        if drawn < weather.late and latest_s:
            self.note("fault", f"{name}: late")
            self.time.after(self._dice.random() * latest_s, lambda: self._at_last(name, effect))
            raise TransientError("timed out")
        return effect()

    def _at_last(self, name: str, effect: Callable[[], object]) -> None:
        self.note("fault", f"{name}: carried out late")
        try:
            effect()
        except Exception as error:  # the service's refusal: nobody waits for it any more
            self.note("fault", f"{name}: refused, {error!r}")

    def _slowly(self, name: str, effect: Callable[[], T], alive: Callable[[], bool], drawn: float) -> T:
        weather, time = self.weather, self.time
        request_s = self._dice.random() * weather.slow_most_s
        reply_s = self._dice.random() * weather.slow_most_s
        arrived: list[Answer[T]] = []
        # Not carried out by this thread: whatever else happens while it waits may make it wait longer.
        time.after(request_s, lambda: arrived.append(_answer(effect)))
        self._depth += 1
        try:
            time.pass_by(request_s + reply_s)
        finally:
            self._depth -= 1
        if not alive():
            raise HungUpError(name)
        if drawn < weather.reply_lost:
            self.note("fault", f"{name}: reply lost")
            raise TransientError("connection reset")
        return arrived[0]()


def _answer(effect: Callable[[], T]) -> Answer[T]:
    """Carry something out now; what it returned or raised comes to whoever calls the answer."""
    try:
        done = effect()
    except Exception as error:
        refusal = error

        def refuse() -> T:
            raise refusal

        return refuse
    return lambda: done
