"""Several processes at once: each lease goes to one; no stale engine gets a word in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from journal_racers import RACERS, claim_all, create_own, make_runs, race_track, seize_and_write

from hardpoint.executor.journal.events import AttemptStarted
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.protocol import Journal

Run = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def track() -> Iterator[ProcessPoolExecutor]:
    with race_track() as pool:
        yield pool


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    kind = str(request.param)
    return str(request.getfixturevalue("postgres_url")) if kind == "postgresql" else kind


@pytest.fixture
def race(track: ProcessPoolExecutor, tmp_path: Path, url: str) -> Run:
    """Let each process call a function with its own arguments; return what they return."""

    def run(function: Callable[..., Any], each: list[tuple[Any, ...]]) -> list[Any]:
        futures = [track.submit(function, tmp_path, url, *arguments) for arguments in each]
        return [future.result() for future in futures]

    return run


@pytest.fixture
def journal(tmp_path: Path, url: str) -> Iterator[Journal]:
    made = open_journal(tmp_path, url)
    yield made
    made.close()


def test_all_may_make_the_tables_and_share_a_workflow(race: Run) -> None:
    names = [f"e{number}" for number in range(RACERS)]
    assert race(create_own, [(name,) for name in names]) == [names] * RACERS


def test_each_lease_goes_to_one(race: Run, journal: Journal) -> None:
    names = [f"e{number}" for number in range(40)]
    make_runs(journal, names)
    won = race(claim_all, [(f"engine{number}", names) for number in range(RACERS)])
    assert sorted(claim for claims in won for claim in claims) == sorted((name, 1) for name in names)
    owners = {row.execution: row.owner for row in journal.rows()}
    for number, claims in enumerate(won):
        assert {owners[execution] for execution, _ in claims} <= {f"engine{number}"}


def test_nothing_is_written_under_a_stale_lease(race: Run, journal: Journal) -> None:
    make_runs(journal, ["e1"])
    confirmed = race(seize_and_write, [(f"engine{number}", 15) for number in range(RACERS)])
    events = journal.read("e1")[1:]
    assert len(events) == sum(confirmed)
    assert journal.row("e1").fence == 15 * RACERS
    written = [(int(event.node), event.attempt) for event in events if isinstance(event, AttemptStarted)]
    assert written == sorted(set(written))
