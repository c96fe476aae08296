"""Threads in virtual time: it passes only while all of them sleep."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

EPOCH_S = 1_800_000_000.0
PATIENCE_S = 60.0


class SleepersClock:
    """A `Clock` for a known number of threads.

    Args:
        late_most_s: A thread wakes up to so much later than it asked for.
    """

    def __init__(self, late_most_s: float = 0.0) -> None:
        self.at_s = 1000.0
        self._late_most_s = late_most_s
        self._dice = random.Random(7)
        self._awake = 0
        self._sleepers: dict[object, float] = {}
        self._changed = threading.Condition()

    def now(self) -> float:
        return EPOCH_S + self.at_s

    def monotonic(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        me = object()
        with self._changed:
            self._sleepers[me] = self.at_s + seconds + self._dice.random() * self._late_most_s
            self._fall_asleep()
            assert self._changed.wait_for(lambda: me not in self._sleepers, PATIENCE_S)

    def _fall_asleep(self) -> None:
        self._awake -= 1
        if not self._awake and self._sleepers:
            self.at_s = max(self.at_s, min(self._sleepers.values()))
            for sleeper in [each for each, due_s in self._sleepers.items() if due_s <= self.at_s]:
                del self._sleepers[sleeper]
                self._awake += 1
            self._changed.notify_all()

    def run(self, *bodies: Callable[[], None]) -> None:
        """Run each in a thread of its own, to the end; raises what one of them raised."""
        failures: list[BaseException] = []
        self._awake = len(bodies)

        def body(call: Callable[[], None]) -> None:
            try:
                call()
            except BaseException as error:
                failures.append(error)
            finally:
                with self._changed:
                    self._fall_asleep()

        threads = [threading.Thread(target=body, args=(each,), daemon=True) for each in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        if failures:
            raise failures[0]
