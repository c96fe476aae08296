"""Streams of what becomes of jobs: left open by the verb that opened them, told of changes, cut off again."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.simulation.sim_network import Weather
from tests.simulation.sim_service import Job, SimService
from tests.simulation.virtual_time import VirtualTime

from hardpoint.plugin_api import StreamClosedError

LONGEST_S = 20.0
"""How long a stream lasts at most while the weather is bad."""


class Stream:
    """One subscription.

    Args:
        service, time, dice, weather: The world's.
        wanted: Which jobs it is about.
        tell: Gets each of them whenever it may have changed; raises `StreamClosedError` to end the stream.
    """

    def __init__(
        self,
        service: SimService,
        time: VirtualTime,
        dice: random.Random,
        weather: Weather,
        wanted: Callable[[Job], bool],
        tell: Callable[[Job], None],
    ) -> None:
        self._service, self._time, self._dice, self._weather = service, time, dice, weather
        self._wanted, self._tell = wanted, tell
        self._ended: Callable[[], None] = lambda: None
        self._open = True
        service.told.append(self._told)
        if self._is_bad():
            time.after(dice.random() * LONGEST_S, self.end)
            if dice.random() < 0.5:
                for job in list(service.jobs.values()):
                    self._told(job)

    def _is_bad(self) -> bool:
        return self._time.now_s < self._weather.until_s

    def when_ended(self, ended: Callable[[], None]) -> None:
        """Call this at its end."""
        self._ended = ended

    def end(self) -> None:
        """Cut it off."""
        if self._open:
            self._open = False
            self._service.told.remove(self._told)
            self._ended()

    def _told(self, job: Job) -> None:
        if not self._wanted(job):
            return
        weather, dice = self._weather, self._dice
        if not self._is_bad():
            self._pass_on(job)
        elif dice.random() >= weather.lost:
            delay_s = dice.random() * weather.slow_most_s if dice.random() < weather.slow else 0.0
            self._time.after(delay_s, lambda: self._pass_on(job))
            if dice.random() < weather.reply_lost:
                self._time.after(delay_s + dice.random(), lambda: self._pass_on(job))

    def _pass_on(self, job: Job) -> None:
        if self._open:
            try:
                self._tell(job)
            except StreamClosedError:
                self.end()


class LeftOpenError(BaseException):
    """Leaves the verb that opened a stream and would wait for its end; no error, so no `Exception`."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
