"""Many seeds, one after another or in several processes."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import msgspec
from tests.simulation.simulate import Ending, simulate

CHUNK = 50


class Tally(msgspec.Struct):
    """What some seeds came to.

    Args:
        seeds: How many.
        failed: Those that broke a promise.
        virtual_s: How long their worlds lasted together.
        steps: How many things happened in them.
        seconds: How long it took.
        digest: Of all their digests: the same for the same seeds, however many processes ran them.
    """

    seeds: int = 0
    failed: list[Ending] = []
    virtual_s: float = 0.0
    steps: int = 0
    seconds: float = 0.0
    digest: str = ""

    @property
    def seeds_per_s(self) -> float:
        """Speed."""
        return self.seeds / self.seconds if self.seconds else 0.0

    def add(self, endings: Iterable[Ending]) -> None:
        """Count some more."""
        for ending in endings:
            self.seeds += 1
            self.digest = hashlib.sha256((self.digest + ending.digest).encode()).hexdigest()
            self.virtual_s += ending.virtual_s
            self.steps += ending.steps
            if ending.problem:
                self.failed.append(ending)


def parse_seeds(text: str) -> range:
    """The seeds that `A..B` names, both included; `A` alone is one.

    >>> parse_seeds("3..5"), parse_seeds("7")
    (range(3, 6), range(7, 8))
    """
    first, dots, last = text.partition("..")
    return range(int(first), int(last if dots else first) + 1)


def run_some(seeds: range) -> list[Ending]:
    """Run seeds here; what the engine logs about all those faults is of no interest."""
    logging.disable(logging.CRITICAL)
    try:
        return [simulate(seed) for seed in seeds]
    finally:
        logging.disable(logging.NOTSET)


def run_seeds(seeds: range, jobs: int) -> Tally:
    """Run seeds in as many processes as `jobs`."""
    started = time.perf_counter()
    tally = Tally()
    for endings in _in_chunks(seeds, jobs):
        tally.add(endings)
    tally.failed.sort(key=lambda ending: ending.seed)
    tally.seconds = time.perf_counter() - started
    return tally


def _in_chunks(seeds: range, jobs: int) -> Iterator[list[Ending]]:
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if jobs == 1 or len(chunks) == 1:
        yield from map(run_some, chunks)
        return
    # Spawned, not forked: a fork of a test runner would inherit its threads' locks.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as processes:
        yield from processes.map(run_some, chunks)
