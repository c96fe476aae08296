"""The journal on PostgreSQL: what users are told, and what happens when the server goes away."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psycopg
import pytest
from lossy_proxy import LossyProxy
from postgres_server import PASSWORD_USER, PostgresServer

from hardpoint.executor.journal.events import AttemptStarted, Event, RunPhase, Submitted
from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.postgresql import JournalUrlError
from hardpoint.executor.journal.protocol import (
    LEASE_S,
    Append,
    CachedOutputs,
    Command,
    ExecutionRow,
    Journal,
    JournalUnavailableError,
    JournalUnreachableError,
    LeaseLostError,
)
from hardpoint.executor.journal.shared import Lease
from hardpoint.plugin_api import ErrorKind, HardpointError

SUBMITTED = Submitted(1.0, "flow", "d1", {"x": 1}, "", "p", "dev")
HOME = Path("no-such-folder")
UNREACHABLE_HINT = (
    "Check that the server is up, and host and port in HARDPOINT_JOURNAL; "
    "nothing that was journaled is lost, and unfinished runs can be resumed"
)


def row(execution: str = "e1") -> ExecutionRow:
    return ExecutionRow(
        execution, "flow", "d1", "p", "dev", RunPhase.RUNNING, 1.0, None, None, "me", 1, 1.0 + LEASE_S
    )


def started(number: int) -> Event:
    return AttemptStarted(2.0, f"n{number}", 1)


def append(seq: int) -> Append:
    return Append("e1", 1, seq, [started(seq)])


def refusal(url: str) -> HardpointError:
    with pytest.raises(HardpointError) as caught:
        open_journal(HOME, url)
    return caught.value


@pytest.fixture(scope="module")
def mortal() -> Iterator[PostgresServer]:
    """A server that may be killed, and that never writes its log to disk unless a commit waits for that."""
    with PostgresServer(wal_writer_delay="10s") as server:
        yield server


@pytest.fixture(scope="module")
def mortal_database(mortal: PostgresServer) -> str:
    return mortal.make_database()


@pytest.fixture
def mortal_url(mortal: PostgresServer, mortal_database: str) -> Iterator[str]:
    yield mortal_database
    mortal.start()
    mortal.empty(mortal_database)


@pytest.fixture
def journal(mortal_url: str) -> Iterator[Journal]:
    made = open_journal(HOME, mortal_url)
    made.create(row(), b"{}", [SUBMITTED])
    yield made
    made.close()


# --- choosing -----------------------------------------------------------------------------------------


def test_the_environment_chooses_unless_the_caller_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, postgres_url: str
) -> None:
    monkeypatch.setenv("HARDPOINT_JOURNAL", postgres_url)
    journal = open_journal(tmp_path)
    journal.create(row(), b"{}", [SUBMITTED])
    journal.close()
    assert list(tmp_path.iterdir()) == []
    other = open_journal(tmp_path, "sqlite")
    assert other.rows() == []
    other.close()
    assert isinstance(open_journal(tmp_path, "memory"), MemoryJournal)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_all_usual_ways_to_write_the_url_are_understood(scheme: str, postgres_url: str) -> None:
    address = f"{scheme}{postgres_url.removeprefix('postgresql')}?connect_timeout=5"
    journal = open_journal(HOME, address)
    assert journal.rows() == []
    journal.close()


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgresql://me:geheim@host:port/db",
        "postgresql://me:ge@heim/x@host/db",
    ],
)
def test_a_url_that_cannot_be_read_is_not_shown(url: str) -> None:
    error = refusal(url)
    assert isinstance(error, JournalUrlError)
    assert str(error) == (
        "The journal's URL cannot be read\n\n"
        "hint: Write `postgresql://user:password@host:5432/database`; "
        "`%40`, `%2F` and `%3A` stand for `@`, `/` and `:` in a password"
    )
    assert error.__cause__ is None


def test_another_database_is_refused() -> None:
    assert str(refusal("mysql://me:geheim@host/db")) == (
        "No journal can lie in `mysql://`\n\n"
        "hint: Write `postgresql://user@host/database`, or leave HARDPOINT_JOURNAL unset for SQLite"
    )


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    error = refusal("postgresql://me:geheim@host/db")
    assert str(error) == (
        "The journal `postgresql://me@host/db` needs psycopg, which is not installed\n\n"
        "hint: Run `pip install 'hardpoint[postgresql]'`"
    )


def test_a_missing_database_is_named(postgres_server: PostgresServer) -> None:
    url = postgres_server.url("nope")
    assert str(refusal(url)) == (
        f'The journal `{url}` cannot be used: database "nope" does not exist\n\n'
        f"hint: Make it first: `createdb -h 127.0.0.1 -p {postgres_server.port} -U postgres nope`"
    )


def test_a_wrong_password_is_told_and_never_shown(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", "no-such-file")
    postgres_server.execute(f"CREATE ROLE {PASSWORD_USER} LOGIN PASSWORD 'right'")
    plain = postgres_server.url("postgres", PASSWORD_USER)
    hint = "\n\nhint: Check the user; a password is taken from the URL, `PGPASSWORD` or `~/.pgpass`"
    assert str(refusal(plain)) == f"The journal `{plain}` cannot be used: no password supplied{hint}"
    wrong = plain.replace("@", ":geheim@")
    error = refusal(wrong)
    assert str(error) == (
        f'The journal `{plain}` cannot be used: password authentication failed for user "with_password"{hint}'
    )
    cause: BaseException | None = error
    while cause is not None:
        assert "geheim" not in f"{cause} {cause!r}"
        cause = cause.__cause__ or cause.__context__


def test_a_user_without_rights_is_told_what_to_grant(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    postgres_server.execute("CREATE ROLE guest LOGIN")
    url = postgres_url.replace("postgres@", "guest@")
    assert str(refusal(url)) == (
        f"The journal `{url}` cannot be used: permission denied for schema public\n\n"
        "hint: Let the user make tables there: `GRANT ALL ON SCHEMA public TO guest`"
    )


# --- leases -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("summary", [None, row()])
def test_a_commit_waits_for_a_claim_in_progress_and_is_refused(
    summary: ExecutionRow | None, postgres_server: PostgresServer, postgres_url: str
) -> None:
    journal = open_journal(HOME, postgres_url)
    journal.create(row(), b"{}", [SUBMITTED])
    commit = [Append("e1", 1, 2, [started(2)], summary)]
    with psycopg.connect(postgres_url) as claimant, ThreadPoolExecutor(1) as thread:
        claimant.execute("UPDATE executions SET owner = 'other', fence = fence + 1")
        committing = thread.submit(journal.commit, commit, durable=False)
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while not committing.done() and not postgres_server.execute(waiting):
            pass
        claimant.commit()
        with pytest.raises(LeaseLostError):
            committing.result()
    assert journal.read("e1") == [SUBMITTED]
    assert journal.row("e1").owner == "other"
    journal.close()


# --- losing the server --------------------------------------------------------------------------------


def test_a_server_that_is_down_is_unreachable_and_the_same_call_succeeds_later(
    mortal: PostgresServer, mortal_url: str, journal: Journal
) -> None:
    journal.commit([append(2)], durable=True)
    mortal.kill9()
    calls: list[Callable[[], object]] = [
        lambda: journal.commit([append(3)], durable=False),
        lambda: journal.renew({"e1": 1}, now=5.0),
        lambda: journal.row("e1"),
        lambda: open_journal(HOME, mortal_url),
    ]
    for call in calls:
        with pytest.raises(JournalUnreachableError) as caught:
            call()
        assert str(caught.value) == (
            f"The journal `{mortal_url}` cannot be reached: Connection refused\n\nhint: {UNREACHABLE_HINT}"
        )
        assert isinstance(caught.value, JournalUnavailableError)
        assert caught.value.kind is ErrorKind.TRANSIENT
    mortal.start()
    calls[0]()
    assert journal.read("e1") == [SUBMITTED, started(2), started(3)]


def test_what_the_server_forgot_is_written_again_before_what_follows(
    mortal: PostgresServer, mortal_url: str, journal: Journal
) -> None:
    kept = CachedOutputs("k1", "e1", "a", {"result": 1}, 5.0)
    failing = msgspec.structs.replace(row(), phase=RunPhase.FAILING)
    journal.commit([append(2)], durable=True)
    journal.commit([append(3)], durable=False)
    journal.commit([Append("e1", 1, 4, [started(4)], failing, [kept])], durable=False)
    assert len(journal.read("e1")) == 4
    mortal.kill9()
    mortal.start()
    # Or else this would test nothing.
    assert journal.read("e1") == [SUBMITTED, started(2)]
    journal.commit([append(5)], durable=False)
    assert journal.read("e1") == [SUBMITTED, *map(started, range(2, 6))]
    assert (journal.row("e1").phase, journal.cached(["k1"])) == (RunPhase.FAILING, {"k1": kept})


def test_units_that_were_given_back_stay_so_if_the_server_forgot_it(
    mortal: PostgresServer, journal: Journal
) -> None:
    lease = Lease("a", "db", 1, "p", "dev")
    journal.pools.lock({"db": -1}, "me", 2.0)
    journal.commit([Append("e1", 1, 2, [started(2)], granted=[lease])], durable=True)
    journal.commit([Append("e1", 1, 3, [started(3)], released=[lease])], durable=False)
    mortal.kill9()
    mortal.start()
    # Or else this would test nothing.
    assert journal.pools.leases("db") == [("e1", lease)]
    journal.commit([append(4)], durable=False)
    assert journal.pools.leases("db") == []
    assert [holding.units for holding in journal.pools.rows().holdings] == [0]


def test_the_last_commit_is_not_forgotten_when_the_lease_is_given_back(
    mortal: PostgresServer, journal: Journal
) -> None:
    ended = msgspec.structs.replace(row(), phase=RunPhase.SUCCEEDED)
    journal.commit([Append("e1", 1, 2, [started(2)], ended)], durable=False)
    mortal.kill9()
    mortal.start()
    journal.release({"e1": 1})
    found = journal.row("e1")
    assert (found.phase, found.owner) == (RunPhase.SUCCEEDED, "")
    assert journal.read("e1") == [SUBMITTED, started(2)]


def test_what_was_forgotten_stays_so_if_another_engine_took_the_run(
    mortal: PostgresServer, mortal_url: str, journal: Journal
) -> None:
    journal.commit([append(2)], durable=False)
    mortal.kill9()
    mortal.start()
    other = open_journal(HOME, mortal_url)
    assert other.claim("e1", "other", now=1.0 + LEASE_S) is not None
    other.commit([Append("e1", 2, 2, [started(9)])], durable=True)
    with pytest.raises(LeaseLostError):
        journal.commit([append(3)], durable=False)
    assert other.read("e1") == [SUBMITTED, started(9)]
    other.close()


def test_no_event_is_lost_or_doubled_while_the_server_is_killed(
    mortal: PostgresServer, journal: Journal
) -> None:
    kills, between = 6, 60
    confirmed = 1
    stopping = threading.Event()
    moved = threading.Condition()

    def engine() -> None:
        nonlocal confirmed
        while not stopping.is_set():
            seq = confirmed + 1
            try:
                journal.commit([append(seq)], durable=seq % 20 == 0)
            except JournalUnreachableError:
                continue
            with moved:
                confirmed = seq
                moved.notify()

    thread = threading.Thread(target=engine)
    thread.start()
    try:
        for kill in range(1, kills + 1):
            with moved:
                assert moved.wait_for(lambda: confirmed >= kill * between, timeout=30.0)  # noqa: B023
            mortal.kill9()
            mortal.start()
    finally:
        stopping.set()
        thread.join()
    journal.release({"e1": 1})
    assert journal.read("e1") == [SUBMITTED, *map(started, range(2, confirmed + 1))]


# --- losing an answer ---------------------------------------------------------------------------------


@pytest.fixture
def proxy(mortal: PostgresServer) -> Iterator[LossyProxy]:
    with LossyProxy(mortal.port) as made:
        yield made


@pytest.fixture
def far(proxy: LossyProxy, mortal: PostgresServer, mortal_url: str) -> Iterator[Journal]:
    """A journal of which answers can be lost."""
    made = open_journal(HOME, mortal_url.replace(str(mortal.port), str(proxy.port)))
    made.create(row(), b"{}", [SUBMITTED])
    made.commit([append(2)], durable=False)
    yield made
    assert proxy.lost == 1
    made.close()


def test_a_commit_is_not_done_twice(far: Journal, proxy: LossyProxy) -> None:
    proxy.lose("INSERT 0 1")
    far.commit([append(3)], durable=True)
    far.commit([append(4)], durable=False)
    assert far.read("e1") == [SUBMITTED, *map(started, range(2, 5))]


def test_a_commit_with_a_summary_is_not_done_twice(far: Journal, proxy: LossyProxy) -> None:
    ended = msgspec.structs.replace(row(), phase=RunPhase.SUCCEEDED, outputs={"result": 1})
    proxy.lose("COMMIT")
    far.commit([Append("e1", 1, 3, [started(3)], ended)], durable=False)
    assert far.row("e1") == ended
    assert far.read("e1") == [SUBMITTED, started(2), started(3)]


def test_a_run_is_not_made_twice(far: Journal, proxy: LossyProxy) -> None:
    proxy.lose("COMMIT")
    far.create(row("e2"), b"{}", [SUBMITTED])
    assert far.read("e2") == [SUBMITTED]


def test_a_claim_is_known_to_be_ours(far: Journal, proxy: LossyProxy) -> None:
    far.release({"e1": 1})
    proxy.lose("COMMIT")
    claimed = far.claim("e1", "me", now=5.0)
    assert claimed is not None
    assert (claimed, claimed.fence) == (far.row("e1"), 2)


def test_a_command_is_forgotten_once(far: Journal, proxy: LossyProxy) -> None:
    command = Command("c1", "e1", "abort", {"reason": "enough"})
    far.send(command)
    assert far.commands(["e1"]) == [command]
    proxy.lose("COMMIT")
    far.forget(["c1"])
    assert far.commands(["e1"]) == []


def test_a_command_is_not_sent_twice(far: Journal, proxy: LossyProxy) -> None:
    command = Command("c1", "e1", "abort")
    proxy.lose("COMMIT")
    far.send(command)
    assert far.commands(["e1"]) == [command]


def test_leases_are_renewed_and_given_back(far: Journal, proxy: LossyProxy) -> None:
    proxy.lose("COMMIT")
    assert far.renew({"e1": 1}, now=7.0) == set()
    assert far.row("e1").lease_until == 7.0 + LEASE_S
