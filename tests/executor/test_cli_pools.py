"""`hardpoint pools` and `plan --pools` where nothing runs: what is shown, set, refused and predicted."""

from __future__ import annotations

import gzip
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from hardpoint.executor.cli.entry import run_command_line
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.shared import Wanted
from hardpoint.executor.rates.gcra import Limit
from hardpoint.executor.rates.rate_state import RateState, throttled

PATIENCE_S = 60.0
JOURNALS = Path(__file__).parents[1] / "fixtures" / "journals"

FLOW = """
from functools import partial

from hardpoint.core import map_task, task, workflow
from hardpoint_jobservice import JobTask

job = JobTask("job", url="http://127.0.0.1:1")


@task
def add(a: int, b: int) -> int:
    return a + b


@workflow
def jobs() -> list[int]:
    return [job(value=number) for number in range(4)]


@workflow
def sums(numbers: list[int]) -> list[int]:
    return map_task(partial(add, b=add(a=1, b=2)), concurrency=2)(a=numbers)
"""

CONFIG = """
[pools."jobservice:default"]
capacity = 2
[pools."jobservice:default".projects.ads]
guarantee = 1
cap = 2
[pools."jobservice:default".domains."ads/test"]
weight = 2.5
[rates."jobservice:default"]
reads_per_s = 20
writes_per_s = 5
"""


class Said(NamedTuple):
    out: str
    err: str
    code: int


Cli = Callable[..., Said]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run one command line in this process, in a folder with `flow.py` and `hardpoint.toml`."""
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "hardpoint.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARDPOINT_HOME", "home")

    def run(*words: str) -> Said:
        code = run_command_line([each for word in words for each in word.split()])
        return Said(*capfd.readouterr(), code)

    return run


def answer(said: Said) -> Any:
    assert said.code == 0, said
    return json.loads(said.out)


def test_what_is_declared_and_written_is_shown_before_anything_ran(cli: Cli) -> None:
    said = cli("pools")
    assert said == cli("pools list")
    lines = said.out.splitlines()
    assert lines[:6] == [
        "jobservice:default  capacity 2, held 0, free 2, waiting 0",
        "  PROJECT  DOMAIN  GUARANTEE  CAP  WEIGHT  HELD  WAITING  BORROWED",
        "  ads              1          2    1       0     0",
        "           test                    2.5     0     0",
        "",
        "EACH POOL            CAPACITY",
    ]
    # Other plugins of this repository come before it.
    assert "jobservice:*         100000" in lines
    assert "athena:*             20; 100 to 200 under 11 longer names" in lines
    assert "jobservice:default   20       5" in lines
    assert not Path("home").exists()


def test_pools_as_json(cli: Cli) -> None:
    found = answer(cli("pools --json"))
    pool = next(each for each in found["pools"] if each["pool"] == "jobservice:default")
    tenant = {"guarantee": 0, "cap": None, "held": 0, "waiting": 0, "borrowed": 0, "slot_s": 0.0}
    assert pool == {
        "pool": "jobservice:default",
        "capacity": 2,
        "held": 0,
        "free": 2,
        "waiting": 0,
        "tenants": [
            {**tenant, "project": "ads", "domain": None, "guarantee": 1, "cap": 2, "weight": 1.0},
            {**tenant, "project": "ads", "domain": "test", "weight": 2.5},
        ],
    }
    rate = next(each for each in found["rates"] if each["account"] == "jobservice:default")
    assert rate == {
        "account": "jobservice:default",
        "kind": "read",
        "per_s": 20.0,
        "declared_per_s": 20.0,
        "closed_until": None,
        "next_at": None,
    }


def test_a_rate_that_was_lowered_and_closed_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("home").mkdir()
    now = 1_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    state = throttled(RateState(), Limit(5.0, 10), now, now - 1.0, retry_after_s=7.0)
    journal = open_journal(Path("home"))
    journal.pools.change_rate("jobservice:default", "write", lambda body: msgspec.msgpack.encode(state))
    journal.close()
    lines = cli("pools").out.splitlines()
    assert "jobservice:default   20       2.5 of 5  closed for 7.0 s" in lines
    rates = answer(cli("pools --json"))["rates"]
    (lowered,) = [each for each in rates if each["closed_until"] is not None]
    assert (lowered["per_s"], lowered["declared_per_s"], lowered["kind"]) == (2.5, 5.0, "write")


def test_what_is_set_comes_before_what_is_written_and_is_taken_back(cli: Cli) -> None:
    pool = "pools set jobservice:default"
    assert cli(f"{pool} --capacity 30 --reserve-after never") == Said(
        "Pool `jobservice:default`\n  capacity: 2 → 30\n  reserve after: 30 → never\n", "", 0
    )
    assert cli(f"{pool} --project ads --weight 3 --cap unlimited").out == (
        "Pool `jobservice:default`\n  project ads: weight: 1 → 3\n  project ads: cap: 2 → unlimited\n"
    )
    assert cli(f"{pool} --project * --cap 4 --lend 0 --guarantee 2").out == (
        "Pool `jobservice:default`\n  other projects: guarantee: 0 → 2\n"
        "  other projects: cap: unlimited → 4\n  other projects: lend: all → 0\n"
    )
    assert cli(f"{pool} --domain ads/dev --cap 1").out == (
        "Pool `jobservice:default`\n  domain ads/dev: cap: unlimited → 1\n"
    )
    assert cli(f"{pool} --capacity 30").out == "Pool `jobservice:default`: nothing changed\n"
    assert cli(f"{pool} --unset --project ads").out == (
        "Pool `jobservice:default`\n  project ads: weight: 3 → 1\n  project ads: cap: unlimited → 2\n"
    )
    told = answer(cli(f"{pool} --unset --json"))
    assert (told["was"]["capacity"], told["now"]["capacity"]) == (30, 2)
    assert told["now"]["domains"] == {
        "ads/test": {"weight": 2.5, "guarantee": 0, "cap": None, "lend": None},
    }
    assert (told["too_much_held"], told["refused"]) == ([], [])


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            "jobservice:* --capacity 3",
            "`jobservice:*` stands for many pools, and each is set by its own name",
            'Name one, or write a table `[pools."jobservice:*"]` into hardpoint.toml',
        ),
        (
            "local:cpu --capacity 3",
            "Pool `local:cpu` is each executor's own",
            "Write a table `[local]` into hardpoint.toml, or give `--workers` or `--max-parallelism`",
        ),
        (
            "db --cap 3",
            "`--cap` says nothing without a tenant",
            "Add `--project PROJECT` or `--domain PROJECT/DOMAIN`; `*` is each that is not named",
        ),
        (
            "db --project a --domain a/b --cap 3",
            "A project and a domain are given; only one can be set at a time",
            "Run the command twice",
        ),
        ("db --unset --capacity 3", "`--unset` takes values back and sets none", "Run the command twice"),
        (
            "db --project a",
            "Nothing is to be set of pool `db`",
            "Give `--capacity N`, or `--project PROJECT --cap N`; `hardpoint pools` shows what holds, "
            "`hardpoint pools set --help` what can be set",
        ),
        (
            "db --capacity 2.5",
            "`hardpoint pools set`: `capacity` is `2.5`: expected `int | str`, got `float`",
            '`capacity` is a whole number from 0 on, or "unlimited"',
        ),
        (
            "db --project a --weight heavy",
            '`hardpoint pools set`, table `[projects.a]`: `weight` is `"heavy"`: expected `float`, got `str`',
            "`weight` is a number above 0, such as 2.0",
        ),
        (
            "db --domain a --cap 1",
            "`hardpoint pools set`, table `[domains]`: `a` names no domain of a project",
            'Write "PROJECT/DOMAIN", such as "a/production"',
        ),
        (
            "jobservice:default --project ads --cap 0",
            "Pool `jobservice:default`, as set by `hardpoint.toml` and `hardpoint pools set`: "
            "A guarantee of 1 units does not lie between 0 and the cap of 0",
            "Raise `cap=` or lower `guarantee=`",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    cli: Cli, words: str, message: str, hint: str
) -> None:
    said = cli(f"pools set {words}")
    here = str(Path("hardpoint.toml").absolute())
    assert said == Said("", f"{message}\n\nhint: {hint}\n".replace("`hardpoint.toml`", f"`{here}`"), 2)
    assert open_journal_settings() == {}


def open_journal_settings() -> dict[str, bytes]:
    Path("home").mkdir(exist_ok=True)
    journal = open_journal(Path("home"))
    try:
        return journal.pools.settings()
    finally:
        journal.close()


def test_claims_that_a_change_would_refuse_for_good_are_told(cli: Cli) -> None:
    cli("pools set db --capacity 5")
    journal = open_journal(Path("home"))
    said = b'{"demands":[{"priority":0,"since":1.0,"units":3,"waiting":2,"asked_at":1.0}]}'
    journal.pools.lock({"db": -1}, "elsewhere", 0.0)
    journal.pools.want([Wanted("db", "elsewhere", "ads", "test", said)])
    journal.pools.unlock()
    journal.pools.lock({"db": -1}, "elsewhere", 9e9)
    journal.pools.unlock()
    journal.close()
    assert cli("pools set db --capacity 2").out == (
        "Pool `db`\n  capacity: 5 → 2\n"
        "  2 nodes that wait for 3 units can never get them now, and will fail\n"
    )
    assert answer(cli("pools set db --capacity 1 --json"))["refused"] == [{"nodes": 2, "units": 3, "most": 1}]


def test_a_pool_that_nobody_knows_is_refused(cli: Cli) -> None:
    said = cli("pools explain jobservice_arry:x")
    assert said.err.startswith("No pool `jobservice_arry:x`: nobody declares, sets or uses it\n\nhint: ")
    assert said.code == 2
    assert cli("pools explain jobservice:other").out == (
        "jobservice:other  capacity 100000, held 0, free 100000, waiting 0\n"
        "Nobody holds it, and nobody waits for it\n"
    )


def test_explain_of_a_run_that_has_ended(cli: Cli) -> None:
    run = answer(cli("run flow.py sums --numbers [1,2] --json"))["execution"]
    assert cli("explain last").out == f"Run `{run}` is SUCCEEDED: nothing of it waits\n"
    assert answer(cli("explain last --json")) == {"execution": run, "phase": "SUCCEEDED", "waiting": []}
    assert cli("explain nothing").code == 2


def prediction(said: Said) -> list[str]:
    assert said.code == 0, said
    return said.out[said.out.index("In pools:") :].splitlines()


def test_a_plan_is_simulated_with_given_durations(cli: Cli) -> None:
    Path("seconds.toml").write_text('"flow.py:job" = 10\njob_2 = 30\n')
    assert prediction(cli("plan flow.py jobs --pools --durations seconds.toml")) == [
        "In pools: 30.0 s, limited by no pool; without any limit 30.0 s",
        "One unit of what its plugin declares for all, since no attempt told: "
        "`job`, `job_2`, `job_3`, `job_4`",
        "",
        "NODE   ITEMS  TAKES   FROM   BEGINS  ENDS    WAITS FOR",
        "job    1      10.0 s  given  0 ms    10.0 s",
        "job_2  1      30.0 s  given  0 ms    30.0 s",
        "job_3  1      10.0 s  given  0 ms    10.0 s",
        "job_4  1      10.0 s  given  0 ms    10.0 s",
    ]
    told = answer(cli("plan flow.py jobs --pools --durations seconds.toml --max-parallelism 2 --json"))[
        "pools"
    ]
    assert (told["makespan_s"], told["without_limits_s"]) == (30.0, 30.0)
    assert [each["begins_s"] for each in told["nodes"]] == [0.0, 0.0, 10.0, 20.0]
    assert told["nodes"][3]["waited_s"] == {"max_parallelism": 20.0}


def test_a_plan_names_the_pool_that_limits_it(cli: Cli) -> None:
    cli("pools set jobservice:* --capacity 1")
    Path("hardpoint.toml").write_text('[pools."jobservice:*"]\ncapacity = 1\n')
    Path("seconds.json").write_text('{"job": 10}')
    lines = prediction(cli("plan flow.py jobs --pools --durations seconds.json"))
    assert lines[:2] == [
        "In pools: 40.0 s, limited by `jobservice:*`; without any limit 10.0 s",
        "Its longest chain, job_4, waits 30.0 s for jobservice:*",
    ]
    told = answer(cli("plan flow.py jobs --pools --durations seconds.json --json"))["pools"]
    assert (told["limiting_pool"], told["chain"], told["waited_s"]) == (
        "jobservice:*",
        ["job_4"],
        {"jobservice:*": 30.0},
    )


def test_a_plan_uses_recorded_durations_and_says_what_is_guessed(cli: Cli) -> None:
    lines = prediction(cli("plan flow.py sums --numbers [1,2,3,4] --pools"))
    assert lines[:2] == [
        "In pools: 3.0 s, limited by no pool; without any limit 3.0 s",
        "Guessed, 1.0 s each, for want of a history: `add`, `add_2`",
    ]
    assert answer(cli("run flow.py sums --numbers [1,2] --json"))["phase"] == "SUCCEEDED"
    told = answer(cli("plan flow.py sums --pools --json"))["pools"]
    assert told["guessed"] == []
    assert {
        each["node"]: (each["basis"], each["items"], each["items_guessed"]) for each in told["nodes"]
    } == {
        "add": ("recorded", 1, False),
        "add_2": ("recorded", 2, True),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed = 3\n", "The durations `seconds.toml`: the workflow has no task or node `speed`"),
        (
            'job = "long"\n',
            "The durations `seconds.toml` are not seconds by task: Expected `float`, got `str`",
        ),
        ("job = -1.0\n", "The durations `seconds.toml`: `job` takes -1.0 s"),
        ("job = = 1\n", "The durations `seconds.toml` are not seconds by task: "),
    ],
)
def test_durations_that_do_not_fit_are_refused(cli: Cli, text: str, message: str) -> None:
    Path("seconds.toml").write_text(text)
    said = cli("plan flow.py jobs --pools --durations seconds.toml")
    assert said.err.startswith(message)
    assert (said.out, said.code) == ("", 2)


def test_a_file_of_durations_that_is_not_there(cli: Cli) -> None:
    said = cli("plan flow.py jobs --pools --durations none.toml")
    assert said.err == (
        "The durations `none.toml` cannot be read: No such file or directory\n\n"
        "hint: Name a file, or `recorded`\n"
    )


def test_a_store_of_an_older_format_is_looked_at_as_it_is_and_raised_by_a_change(cli: Cli) -> None:
    Path("home").mkdir()
    old = gzip.decompress((JOURNALS / "format_2" / "store.db.gz").read_bytes())
    (store := Path("home") / "hardpoint.db").write_bytes(old)
    assert cli("pools").code == 0
    assert "older" not in cli("pools explain jobservice:default").out
    assert store.read_bytes() == old
    assert cli("pools set jobservice:default --capacity 5").code == 0
    assert "jobservice:default  capacity 5, held 0, free 5, waiting 0" in cli("pools").out.splitlines()


@pytest.mark.parametrize("words", ["--watch --json", "--watch", "list -w"])
def test_watching_goes_on_until_it_is_interrupted(cli: Cli, words: str) -> None:
    command = [sys.executable, "-m", "hardpoint.executor.cli", "pools", *words.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        again = next(line for line in process.stdout if line == first)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (again, err, process.returncode) == (first, "", 0)


def test_watching_on_a_terminal_draws_in_place(cli: Cli) -> None:
    pid, master = pty.fork()
    if not pid:
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-m", "hardpoint.executor.cli", "pools", "--watch"])
    seen, end = b"", time.monotonic() + PATIENCE_S
    while seen.count(b"jobservice:default  capacity 2") < 2:
        assert time.monotonic() < end, seen
        seen += os.read(master, 65536)
    with suppress(OSError):  # the end of a terminal
        while True:
            # Once is not enough where it arrives in a finalizer: Python drops it there.
            os.write(master, b"\x03")
            assert time.monotonic() < end, seen
            time.sleep(2.0)
            while select.select([master], [], [], 0.0)[0]:
                os.read(master, 65536)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(master)
    assert b"\x1b[" in seen
