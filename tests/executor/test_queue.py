"""The queue of runs: who begins, who waits, who is refused, and who comes next; the same in every journal."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.executor.config import TenantLimits
from hardpoint.executor.journal.batch import row_values
from hardpoint.executor.journal.database import Session
from hardpoint.executor.journal.events import AttemptStarted, RunPhase, Submitted
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.protocol import Append, Command, ExecutionRow, Journal
from hardpoint.executor.journal.queue import Crowd, Entry, Head, Standing, entry
from hardpoint.executor.journal.schema import EXECUTION, insert
from hardpoint.executor.journal.sql import SqlJournal
from hardpoint.executor.journal.sql_queue import know_tenants
from hardpoint.executor.submission import TermsError, effective_priority, retry_after_s
from hardpoint.executor.turns import in_turn

SUBMITTED = Submitted(1.0, "flow", "d1", {}, "", "p", "dev")
NO_BOUNDS = TenantLimits(None, None)


def row(
    execution: str, at: float = 1.0, *, owner: str = "", priority: int = 0, project: str = "p"
) -> ExecutionRow:
    phase = RunPhase.RUNNING if owner else RunPhase.QUEUED
    made = ExecutionRow(execution, "flow", "d1", project, "dev", phase, at, priority=priority)
    lease = {"owner": owner, "fence": 1, "lease_until": at + 30.0} if owner else {}
    return msgspec.structs.replace(made, **lease)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    kind = str(request.param)
    url = str(request.getfixturevalue("postgres_url")) if kind == "postgresql" else kind
    made = open_journal(tmp_path, url)
    yield made
    made.close()


def submit(journal: Journal, run: ExecutionRow, limits: TenantLimits = NO_BOUNDS) -> RunPhase | None:
    kept = journal.create(run, b"{}", [SUBMITTED], limits)
    if kept is None:
        return None
    assert kept == journal.row(run.execution)
    return kept.phase


def names(rows: list[ExecutionRow]) -> list[str]:
    return [each.execution for each in rows]


def end(journal: Journal, execution: str, at: float) -> None:
    now = journal.row(execution)
    ended = msgspec.structs.replace(now, phase=RunPhase.SUCCEEDED, ended_at=at)
    journal.commit([Append(execution, now.fence, 2, [AttemptStarted(2.0, "a", 1)], ended)], durable=False)


def test_a_tenant_begins_so_many_runs_and_queues_so_many_more(journal: Journal) -> None:
    limits = TenantLimits(max_running=2, max_queued=1)
    found = [submit(journal, row(f"e{n}", n, owner="me"), limits) for n in range(4)]
    assert found == [RunPhase.RUNNING, RunPhase.RUNNING, RunPhase.QUEUED, None]
    assert journal.row("e2").owner == ""
    assert len(journal.rows()) == 3
    assert submit(journal, row("x", owner="me", project="other"), limits) is RunPhase.RUNNING
    end(journal, "e0", 9.0)
    # The one that waits comes first; then there is a place in the queue.
    assert submit(journal, row("e4", 4.0, owner="me"), limits) is None
    assert journal.claim("e2", "me", 5.0, max_running=2) is not None
    assert submit(journal, row("e5", 5.0, owner="me"), limits) is RunPhase.QUEUED


def test_a_run_of_higher_priority_begins_before_those_that_wait(journal: Journal) -> None:
    limits = TenantLimits(max_running=1)
    assert submit(journal, row("low", priority=-5)) is RunPhase.QUEUED
    assert submit(journal, row("same", owner="me", priority=-5), limits) is RunPhase.QUEUED
    assert submit(journal, row("high", owner="me", priority=-4), limits) is RunPhase.RUNNING


def test_what_nobody_drives_yet_is_queued_and_counted(journal: Journal) -> None:
    limits = TenantLimits(max_queued=2)
    assert [submit(journal, row(f"e{n}"), limits) for n in range(3)] == [RunPhase.QUEUED] * 2 + [None]
    assert submit(journal, row("now", owner="me"), limits) is RunPhase.RUNNING
    assert submit(journal, row("e9"), TenantLimits(max_queued=0)) is None


def test_the_same_submit_again_is_not_counted_twice(journal: Journal) -> None:
    queue_one, begin_one = TenantLimits(max_queued=1), TenantLimits(max_running=1)
    assert [submit(journal, row("e1"), queue_one) for _ in range(2)] == [RunPhase.QUEUED] * 2
    other = [row("x1", owner="me", project="other"), row("x1", owner="me", project="other")]
    assert [submit(journal, each, begin_one) for each in other] == [RunPhase.RUNNING] * 2
    assert submit(journal, row("e2"), queue_one) is None


def test_the_queue_goes_by_priority_then_age(journal: Journal) -> None:
    for name, at, priority in (
        ("a", 3.0, 0),
        ("b", 2.0, 0),
        ("c", 4.0, 100),
        ("d", 1.0, -100),
        ("e", 2.0, 0),
    ):
        submit(journal, row(name, at, priority=priority))
    submit(journal, row("z", 0.0, project="other"))
    assert names(journal.queue.first("p", "dev", 9)) == ["c", "b", "e", "a", "d"]
    assert names(journal.queue.first("p", "dev", 2)) == ["c", "b"]
    assert sorted(journal.queue.standing().heads) == [Head("other", "dev", 0.0), Head("p", "dev", 4.0)]
    assert journal.row("c").priority == 100


def test_a_claimed_run_has_begun_and_one_given_back_is_queued_again(journal: Journal) -> None:
    submit(journal, row("e1"))
    claimed = journal.claim("e1", "me", 2.0)
    assert claimed is not None
    assert (claimed.phase, claimed.owner) == (RunPhase.RUNNING, "me")
    assert journal.queue.first("p", "dev", 9) == []
    assert journal.queue.standing() == Standing([], {("p", "dev"): 1})
    assert names(journal.queue.left(["e1", "e2"])) == ["e1"]
    journal.queue.give_back({"e1": claimed.fence - 1})
    assert journal.row("e1").owner == "me"
    journal.queue.give_back({"e1": claimed.fence})
    assert names(journal.queue.first("p", "dev", 9)) == ["e1"]
    assert journal.queue.running("p", "dev") == 0
    assert journal.queue.left(["e1"]) == []


def test_a_run_that_has_started_does_not_go_back_into_the_queue(journal: Journal) -> None:
    submit(journal, row("e1", owner="me"))
    started = msgspec.structs.replace(journal.row("e1"), started_at=2.0)
    journal.commit([Append("e1", 1, 2, [AttemptStarted(2.0, "a", 1)], started)], durable=False)
    journal.queue.give_back({"e1": 1})
    assert (journal.row("e1").phase, journal.row("e1").owner) == (RunPhase.RUNNING, "")
    assert names(journal.abandoned(3.0, 9)) == ["e1"]


def test_a_direct_submit_that_never_started_can_be_queued(journal: Journal) -> None:
    submit(journal, row("e1", owner="me"))
    journal.queue.give_back({"e1": 1})
    assert journal.queue.standing().heads == [Head("p", "dev", 1.0)]


def test_a_run_leaves_the_queue_only_while_there_is_room(journal: Journal) -> None:
    for n in range(3):
        submit(journal, row(f"e{n}"))
    assert journal.claim("e0", "me", 2.0, max_running=1) is not None
    assert journal.claim("e1", "me", 2.0, max_running=1) is None
    assert journal.claim("e1", "me", 2.0, max_running=2) is not None
    assert journal.claim("e2", "me", 2.0, max_running=0) is None
    assert journal.claim("e2", "me", 2.0) is not None


def test_runs_that_have_begun_need_no_room_to_be_taken_up_again(journal: Journal) -> None:
    submit(journal, row("e1", owner="me"))
    journal.release({"e1": 1})
    assert journal.claim("e1", "you", 2.0, max_running=1) is not None


def test_queued_runs_are_nobodys_and_not_abandoned(journal: Journal) -> None:
    submit(journal, row("e1"))
    assert (journal.abandoned(99.0, 9), journal.owners()) == ([], [])


def test_of_many_abandoned_runs_each_tenants_oldest_comes_first(journal: Journal) -> None:
    for n in range(5):
        submit(journal, row(f"e{n}", n, owner="dead"))
    submit(journal, row("x", 100.0, owner="dead", project="other"))
    assert names(journal.abandoned(101.0, 4, dead=["dead"])) == ["e0", "x", "e1", "e2"]


def test_queued_runs_that_should_end_are_found(journal: Journal) -> None:
    for name in ("e1", "e2", "e3"):
        submit(journal, row(name))
    journal.send(Command("c1", "e2", "abort", {"reason": "enough"}))
    journal.send(Command("c2", "e3", "other"))
    assert names(journal.queue.asked_to_end(9)) == ["e2"]
    journal.claim("e2", "me", 2.0)
    assert journal.queue.asked_to_end(9) == []


def test_the_last_ends_of_a_tenant_are_known(journal: Journal) -> None:
    for n in range(4):
        submit(journal, row(f"e{n}", owner="me"))
        end(journal, f"e{n}", 10.0 + n)
    submit(journal, row("x", owner="me", project="other"))
    end(journal, "x", 99.0)
    assert journal.queue.ends("p", "dev", 3) == [13.0, 12.0, 11.0]
    assert journal.queue.running("p", "dev") == 0


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql"])
def test_many_at_once_never_pass_the_bounds(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = str(request.getfixturevalue("postgres_url")) if kind == "postgresql" else kind
    journals = [open_journal(tmp_path, url) for _ in range(1 if kind == "memory" else 4)]
    limits = TenantLimits(max_running=5, max_queued=7)
    ready = threading.Barrier(8)

    def flood(worker: int) -> list[RunPhase | None]:
        ready.wait()
        journal = journals[worker % len(journals)]
        made = [row(f"w{worker}-{n}", n, owner=f"o{worker}") for n in range(6)]
        kept = [journal.create(each, b"{}", [SUBMITTED], limits) for each in made]
        claims = [
            journal.claim(each.execution, "me", 2.0, max_running=5) for each in kept if each is not None
        ]
        assert all(each is None for each in claims)
        return [each.phase if each is not None else None for each in kept]

    with ThreadPoolExecutor(8) as threads:
        found = Counter(phase for phases in threads.map(flood, range(8)) for phase in phases)
    assert found == {RunPhase.RUNNING: 5, RunPhase.QUEUED: 7, None: 36}
    for journal in journals:
        journal.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_looking_at_a_hundred_thousand_queued_runs_is_cheap(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = str(request.getfixturevalue("postgres_url")) if kind == "postgresql" else kind
    journal = open_journal(tmp_path, url)
    assert isinstance(journal, SqlJournal)
    submit(journal, row("first", project="flood"))
    rows = [row_values(row(f"f{n:06}", n, project="flood", priority=n % 3)) for n in range(100_000)]
    rows += [row_values(row(f"o{n:06}", n, project=f"p{n}")) for n in range(100)]

    def fill(session: Session) -> None:
        session.run_many(insert("executions", EXECUTION), rows)
        know_tenants(session)

    journal._changed(fill)
    limits = TenantLimits(max_running=50, max_queued=1000)

    def look() -> None:
        assert len(journal.queue.standing().heads) == 101
        assert len(journal.queue.first("flood", "dev", 8)) == 8
        assert journal.create(row("more", project="flood"), b"{}", [SUBMITTED], limits) is None

    spent_s = []
    for _ in range(9):
        began_s = time.perf_counter()
        look()
        spent_s.append(time.perf_counter() - began_s)
    # A look through all of them takes ten times as long on a quiet machine.
    assert sorted(spent_s)[4] < 0.02
    journal.close()


# --- decisions --------------------------------------------------------------------------------------------


@given(
    st.builds(Crowd, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)),
    st.builds(TenantLimits, st.none() | st.integers(0, 5), st.none() | st.integers(0, 5)),
    st.booleans(),
)
def test_a_run_begins_waits_or_is_refused(crowd: Crowd, limits: TenantLimits, at_once: bool) -> None:
    found = entry(crowd, limits, at_once=at_once)
    most, queued = limits.max_running, limits.max_queued
    room = most is None or crowd.running + crowd.ahead < most
    assert (found is Entry.BEGIN) == (at_once and room)
    assert (found is Entry.REFUSE) == (
        not (at_once and room) and queued is not None and crowd.queued >= queued
    )


_tenants = st.tuples(st.sampled_from(["ads", "shop", "web"]), st.sampled_from(["test", "live"]))


@given(
    st.dictionaries(_tenants, st.integers(1, 12)),
    st.dictionaries(_tenants, st.integers(0, 6)),
    st.none() | st.integers(0, 6),
)
def test_turns_are_fair_and_lose_nobody(
    queued: dict[tuple[str, str], int], running: dict[tuple[str, str], int], most: int | None
) -> None:
    lines = {
        tenant: [
            ExecutionRow(f"{tenant}-{n}", "f", "d", *tenant, RunPhase.QUEUED, float(n)) for n in range(count)
        ]
        for tenant, count in queued.items()
    }
    heads = [Head(*tenant, 0.0) for tenant in lines]
    limits = TenantLimits(max_running=most)
    order = list(
        in_turn(
            Standing(heads, running), lambda *_: limits, lambda head: iter(lines[head.project, head.domain])
        )
    )
    held = Counter(running)
    left = {tenant: list(rows) for tenant, rows in lines.items()}
    for each in order:
        tenant = (each.project, each.domain)
        assert each is left[tenant].pop(0)
        projects: Counter[str] = Counter()
        for (project, _), count in held.items():
            projects[project] += count
        able = [t for t, rows in left.items() if (rows or t == tenant) and (most is None or held[t] < most)]
        assert projects[tenant[0]] == min(projects[t[0]] for t in able)
        assert held[tenant] == min(held[t] for t in able if t[0] == tenant[0])
        held[tenant] += 1
        assert most is None or held[tenant] <= most
    for tenant, rows in left.items():
        assert not rows or (most is not None and held[tenant] >= most)


def test_classes_stand_for_priorities() -> None:
    assert [effective_priority(7, qos) for qos in ("high", "medium", "", "low")] == [107, 7, 7, -93]
    with pytest.raises(TermsError) as caught:
        effective_priority(0, "hihg")
    assert str(caught.value) == ("There is no quality-of-service class `hihg`\n\nhint: Did you mean `high`?")
    with pytest.raises(TermsError):
        effective_priority(10**7, "")


@given(st.lists(st.floats(0, 1e6), max_size=20), st.floats(0, 1e6))
def test_advice_when_to_come_again_is_neither_now_nor_never(ends: list[float], waited_s: float) -> None:
    ends.sort(reverse=True)
    now = (ends[0] if ends else 0.0) + waited_s
    assert 1.0 <= retry_after_s(ends, now) <= 300.0
