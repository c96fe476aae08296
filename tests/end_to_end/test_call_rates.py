"""Calls over HTTP keep to the declared rate, and to what the service asks for when it throttles."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.plugin_api.testing.jobservice import JobService, ScriptedFault

PLUGIN_FOLDER = Path(__file__).parents[1] / "jobservice_plugin"
PER_S, BURST, JOBS = 10.0, 10, 40
RETRY_AFTER_S = 1.5

DRIVER = """
import json
import logging
import os

from hardpoint.core import workflow
from hardpoint.executor import Executor
from hardpoint.plugin_api import Options, PollPolicy, Retry
from hardpoint_jobservice import JobServicePlugin, JobTask

logging.basicConfig(filename="rates.log", format="%(levelname)s %(message)s")
logging.getLogger("hardpoint.rates").setLevel(logging.DEBUG)
PER_S, JOBS = float(os.environ["PER_S"]), int(os.environ["JOBS"])
work = JobTask("work", url=os.environ["URL"], duration_s=0.2, options=Options(retry=Retry(1)))


@workflow
def flow() -> int:
    return [work(value=number) for number in range(JOBS)][-1]


poll = PollPolicy(first_s=0.1, max_s=0.5)
with Executor("home", plugins={"jobservice": JobServicePlugin(calls_per_s=PER_S, poll=poll)}) as executor:
    execution = executor.submit(flow)
    outcome = execution.outcome(120)
    kinds = [event.kind for event in execution.events()]
    print(json.dumps([outcome.phase.value, kinds.count("AttemptStarted"), kinds.count("AttemptFailed")]))
"""


class Drive(msgspec.Struct):
    """What a driven engine printed, and what its gate noted."""

    outcome: Any
    calls: dict[str, list[float]]
    moves: list[str]


def drive(folder: Path, service: JobService) -> Drive:
    (folder / "drive.py").write_text(DRIVER)
    done = subprocess.run(
        [sys.executable, "drive.py"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(PLUGIN_FOLDER),
            "URL": service.url,
            "PER_S": str(PER_S),
            "JOBS": str(JOBS),
        },
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    calls: dict[str, list[float]] = {"read": [], "write": []}
    moves = []
    for line in (folder / "rates.log").read_text().splitlines():
        level, account, kind, *rest = line.split(maxsplit=3)
        assert account == f"jobservice:default@{service.url.removeprefix('http://')}"
        if level == "DEBUG":
            calls[kind].append(float(rest[0].removeprefix("at ")))
        else:
            moves.append(f"{kind} {rest[0]}")
    return Drive(json.loads(done.stdout.splitlines()[-1]), calls, moves)


def fullest_second(times: list[float]) -> int:
    return max(sum(1 for each in times if at <= each < at + 1.0) for at in times)


def test_no_second_holds_more_calls_than_are_declared(tmp_path: Path) -> None:
    with JobService() as service:
        drove = drive(tmp_path, service)
        stats = service.stats().total
    assert drove.outcome == ["SUCCEEDED", JOBS, 0]
    assert (len(drove.calls["write"]), stats.created) == (JOBS, JOBS)
    assert len(drove.calls["write"]) + len(drove.calls["read"]) == stats.requests
    for times in drove.calls.values():
        assert fullest_second(times) <= PER_S + BURST
    # And they are used: after the burst, ten a second.
    assert drove.calls["write"][-1] - drove.calls["write"][0] >= (JOBS - BURST - 1) / PER_S
    assert drove.moves == []


def test_a_throttling_service_is_left_alone_and_the_author_does_not_pay(tmp_path: Path) -> None:
    with JobService() as service:
        service.script(ScriptedFault("POST /v1/jobs", "429", skip=20, retry_after_s=RETRY_AFTER_S))
        drove = drive(tmp_path, service)
        stats = service.stats().total
    assert drove.outcome == ["SUCCEEDED", JOBS, 0]
    assert (stats.created, stats.double_submits, stats.orphans) == (JOBS, 0, 0)
    writes = drove.calls["write"]
    assert len(writes) == JOBS + 1
    assert max(later - earlier for earlier, later in itertools.pairwise(writes)) > RETRY_AFTER_S - 0.01
    assert fullest_second(writes) <= PER_S + BURST
    # Reads have a rate of their own, which went on.
    assert drove.moves[0] == "write: 10 -> 5 calls/s: the service asked to wait 1.5 s"
    assert all(move.startswith("write") for move in drove.moves)
