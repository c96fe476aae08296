"""Gives calls that wait to workers that have room for them."""

from __future__ import annotations

from collections.abc import Mapping

from hardpoint.executor.pool.backlog import Backlog
from hardpoint.executor.pool.load import Durations
from hardpoint.executor.pool.messages import frame
from hardpoint.executor.pool.process import WorkerProcess
from hardpoint.executor.pool.staff import Staff
from hardpoint.executor.pool.watch import Watch
from hardpoint.plugin_api import TaskSpec

Registered = tuple[str, TaskSpec, bytes]
"""The archive that a spec needs, the spec, and the message that tells a worker of it."""

_CHUNK = 8
"""So many short calls at most go to a worker in a row while many wait: choosing it is not free either."""

_CHUNK_S = 0.001


class Dealer:
    """Owned by the pool.

    Args:
        specs: By the key that calls name.
        staff: The workers.
        durations: What calls took lately.
        watch: Sends.
    """

    def __init__(
        self, specs: Mapping[str, Registered], staff: Staff, durations: Durations, watch: Watch
    ) -> None:
        self.backlog = Backlog()
        self._specs = specs
        self._staff = staff
        self._durations = durations
        self._watch = watch

    def deal(self, now_s: float) -> None:
        """Send what can be sent; start workers where that is worth while."""
        batches: dict[WorkerProcess, list[bytes]] = {}
        starved = False
        for code in self.backlog.codes():
            starved = self._deal_archive(code, batches, now_s) or starved
        if not starved:
            self._staff.all_stay()
        for worker, frames in batches.items():
            self._watch.send(worker, b"".join(frames))

    def _deal_archive(self, code: str, batches: dict[WorkerProcess, list[bytes]], now_s: float) -> bool:
        """Deal the calls of one archive; return whether no worker is there for them."""
        backlog = self.backlog
        while (call := backlog.first(code)) is not None:
            worker = self._staff.place(call, code, now_s)
            if worker is None:
                return self._staff.make_way(code, now_s)
            spec = call.spec
            expected_s = self._durations.expected_s(spec)
            frames = batches.setdefault(worker, [])
            if spec not in worker.specs:
                worker.specs.add(spec)
                frames.append(self._specs[spec][2])
            for _ in range(self._chunk(expected_s)):
                worker.add(backlog.take(code), expected_s, now_s)
                frames.append(frame(call))
                following = backlog.first(code)
                if following is None or following.spec != spec or not worker.accepts(now_s):
                    break
                call = following
        return False

    def _chunk(self, expected_s: float) -> int:
        """How many calls in a row one worker gets; one, where others would go without."""
        fair = len(self.backlog) // (_CHUNK * self._staff.size)
        return max(1, min(_CHUNK, fair, int(_CHUNK_S / expected_s)))
