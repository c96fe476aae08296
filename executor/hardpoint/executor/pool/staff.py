"""The worker processes of a pool: which of them takes a call, when one is started, when one makes way."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from hardpoint.executor.config.settings import PluginSettings
from hardpoint.executor.pool.load import Durations
from hardpoint.executor.pool.messages import FunctionCall, Hello
from hardpoint.executor.pool.process import WorkerProcess
from hardpoint.executor.pool.watch import Watch

IDLE_MAX_S = 300.0
"""A worker without work for so long is stopped: it may hold much memory."""

START_AFTER_S = 0.05
"""Short calls get a further worker when those they have were busy for so long: about what a start costs."""

# With several archives in use: how long a worker keeps its archive while it has calls for it. Starting
# another costs about a tenth of a second, so changing at every call would leave no time for work.
_SLICE_S = 0.5


class Staff:
    """Starts at most `size` workers, as they are needed.

    Args:
        home: The executor's folder.
        store_url: Where values that travel by reference lie.
        size: Most processes at a time.
        python: The interpreter to run.
        plugins: What they may import of what is installed.
        durations: What calls took lately.
        watch: Told of each worker that is started.
    """

    def __init__(
        self,
        home: Path,
        store_url: str,
        size: int,
        python: str,
        plugins: PluginSettings,
        durations: Durations,
        watch: Watch,
    ) -> None:
        self.size = size
        self.workers: list[WorkerProcess] = []
        self._home = home
        self._store_url = store_url
        self._python = python
        self._plugins = plugins
        self._durations = durations
        self._watch = watch
        # Names never repeat in one home, or two workers' output would be in one file.
        self._prefix = f"w{os.urandom(5).hex()}"
        self._count = 0
        self._making_way: WorkerProcess | None = None

    def __iter__(self) -> Iterator[WorkerProcess]:
        return iter(self.workers)

    def place(self, call: FunctionCall, code: str, now_s: float) -> WorkerProcess | None:
        """The worker that takes this call now; None if it must wait."""
        best: WorkerProcess | None = None
        best_load_s = math.inf
        busy_since_s = -math.inf
        for worker in self.workers:
            if worker.code != code or worker is self._making_way:
                continue
            busy_since_s = max(busy_since_s, worker.busy_since_s)
            if worker.accepts(now_s):
                if not worker.calls:
                    return worker
                load_s = worker.load_s(now_s)
                if load_s < best_load_s:
                    best, best_load_s = worker, load_s
        # A short wait is cheaper than a process, unless nobody knows how long the wait will be.
        if self._durations.is_known(call.spec):
            short = self._durations.expected_s(call.spec) < START_AFTER_S
            if best is not None or (short and now_s - busy_since_s < START_AFTER_S):
                return best
        return self._started(code, now_s) or best

    def may_start(self) -> bool:
        """Whether there are fewer workers than there may be."""
        return len(self.workers) < self.size

    def make_way(self, code: str, now_s: float) -> bool:
        """No worker takes calls of this archive: let the one that will be through first take no more.

        Returns:
            Whether there is need for it.
        """
        if any(worker.code == code for worker in self.workers):
            return False
        if self._making_way not in self.workers:
            others = [each for each in self.workers if now_s - each.started_s > _SLICE_S]
            self._making_way = min(others, key=lambda each: each.load_s(now_s), default=None)
        return True

    def all_stay(self) -> None:
        """Nobody has to make way any more."""
        self._making_way = None

    def has_spare(self) -> bool:
        """Whether one more call could start at once."""
        return self.may_start() or any(not each.calls and not each.stopping for each in self.workers)

    def room(self, now_s: float) -> int:
        """How many more calls the workers want, those included that are not started yet."""
        window = self._durations.window()
        wanted = (self.size - len(self.workers)) * window
        return wanted + sum(max(0, window - len(each.calls)) for each in self.workers if each.accepts(now_s))

    def _started(self, code: str, now_s: float) -> WorkerProcess | None:
        if not self.may_start():
            self._dismiss_idle()
            return None
        self._count += 1
        hello = Hello(
            worker=f"{self._prefix}-{self._count}",
            home=str(self._home),
            store_url=self._store_url,
            code=code,
            engine_pid=os.getpid(),
            allow=self._plugins.allow,
            deny=self._plugins.deny,
        )
        worker = WorkerProcess(hello, self._python, now_s)
        self.workers.append(worker)
        self._watch.add(worker)
        return worker

    def _dismiss_idle(self) -> None:
        """Stop the worker that is idle for longest; its place is free when it has exited."""
        idle = [each for each in self.workers if not each.calls and not each.stopping]
        if idle and not any(each.stopping for each in self.workers):
            self.stop(min(idle, key=lambda each: each.idle_since_s))

    def stop(self, worker: WorkerProcess) -> None:
        """Let it finish the call it runs, and exit."""
        self._watch.stop(worker)
