"""Seeds that once broke a promise, each with what it found; they must not again.

A seed stands for its world only as long as nobody changes how worlds are drawn. After that it is a seed like
any other, and what it found is left to the tests of the part it was found in.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from tests.simulation.simulate import simulate

FOUND = [
    (
        246,
        "an abort in the turn of an adoption ended a function attempt twice, and so the run too early",
    ),
    (452, "a run that was adopted claimed new slots before those of its jobs in flight were counted"),
    (644, "a call on its way when its run was lost started a job for the engine that owned it no more"),
    (6, "an item of an array with few places waited for the place it had itself"),
    (1307, "a look for a job that was to be cancelled came before listings had settled, and missed it"),
    (57, "a run that came back to an engine that had lost it found its slots taken by its former life"),
    (3868, "a run that was being let go claimed the slots it had just given back"),
    (5661, "an item of a run resumed twice used an attempt's number again, and so its token"),
    (8179, "a call that was lost before it reached a worker was waited for when the run came back"),
    (8625, "the same, for the items of an array"),
    (15514, "a connection that was dropped while it had pools locked kept the whole store locked"),
    (41956, "the same, after an engine that is known to be dead"),
    (10604, "an item whose retry was called off by the run's end counted as a failure that is allowed"),
]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(("seed", "found"), FOUND, ids=[str(seed) for seed, _ in FOUND])
def test_the_seed_breaks_no_promise_any_more(seed: int, found: str) -> None:
    assert simulate(seed).problem == "", found
