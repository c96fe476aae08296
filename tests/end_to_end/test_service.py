"""The web service of the examples, as a real server that is stopped in the middle and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.view import load_view

SERVICE = Path(__file__).resolve().parents[2] / "examples" / "service"
ORDERS = 20
STEP_S = 0.15
LAST_STEP_S = 2.0
"""The last order's: it cannot be done before the server is stopped."""


class Server:
    """`python app.py` on a free port of the loopback."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=SERVICE,
            env=os.environ | {"HARDPOINT_HOME": str(home), "PORT": "0"},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.said: list[str] = []
        self._url: Future[str] = Future()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        self.url = self._url.result(timeout=20)

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.said.append(line)
                if "Uvicorn running on " in line:
                    self._url.set_result(line.split("running on ")[1].split()[0])
        if not self._url.done():
            self._url.set_exception(RuntimeError("".join(self.said)))

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def kill(self) -> None:
        """End it for certain."""
        self.process.kill()
        self.process.wait()
        self._listener.join()


@contextmanager
def serving(home: Path) -> Iterator[Server]:
    server = Server(home)
    try:
        yield server
    finally:
        server.kill()


def inputs_of(number: int, ledger: Path, takes_s: float) -> dict[str, Any]:
    return {"number": number, "cents": 100 * number, "ledger": str(ledger), "takes_s": takes_s}


async def submit(client: httpx.AsyncClient, inputs: dict[str, Any]) -> str:
    answer = await client.post("/runs", json={"inputs": inputs})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["execution"])


async def follow(client: httpx.AsyncClient, execution: str, until: str) -> list[str]:
    """Kinds of events of a run, until one of that kind comes."""
    kinds = []
    async with client.stream("GET", f"/runs/{execution}/events") as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            kinds.append(json.loads(line)["kind"])
            if kinds[-1] == until:
                return kinds
    return kinds


async def submit_all(url: str, ledger: Path) -> list[str]:
    """Submit every order at once; return when the first step of any is done."""
    limits = httpx.Limits(max_connections=ORDERS + 2)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        steps_s = [STEP_S] * (ORDERS - 1) + [LAST_STEP_S]
        orders = [submit(client, inputs_of(number, ledger, each)) for number, each in enumerate(steps_s)]
        executions = await asyncio.gather(*orders)
        following = [asyncio.create_task(follow(client, each, "AttemptSucceeded")) for each in executions]
        await asyncio.wait(following, return_when=asyncio.FIRST_COMPLETED)
        for each in following:
            each.cancel()
        await asyncio.wait(following)
        return executions


async def wait_for_all(url: str, executions: list[str]) -> list[dict[str, Any]]:
    limits = httpx.Limits(max_connections=ORDERS + 2)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        await asyncio.gather(*(follow(client, each, until="Ended") for each in executions))
        answers = await asyncio.gather(*(client.get(f"/runs/{each}") for each in executions))
        return [answer.json() for answer in answers]


def test_orders_survive_a_restart_and_no_step_is_done_twice(tmp_path: Path) -> None:
    home, ledger = tmp_path / "home", tmp_path / "ledger.txt"
    with serving(home) as server:
        executions = asyncio.run(submit_all(server.url, ledger))
        assert server.stop() == 0, "".join(server.said)

    journal = open_journal(home)
    views = [load_view(journal, journal.row(each)) for each in executions]
    journal.close()
    phases = Counter(view.state.phase for view in views)
    assert phases[RunPhase.RUNNING], f"all orders were done before the stop: {phases}"
    assert [view.state.in_flight for view in views] == [set()] * ORDERS
    assert {view.row.owner for view in views} == {""}
    journaled = Counter(
        f"{each.node} {number}" for number, view in enumerate(views) for each in view.tries if each.ended_at
    )
    assert Counter(ledger.read_text().splitlines()) == journaled

    with serving(home) as server:
        runs = asyncio.run(wait_for_all(server.url, executions))
        assert server.stop() == 0, "".join(server.said)
    assert [run["phase"] for run in runs] == ["SUCCEEDED"] * ORDERS
    assert [run["outputs"] for run in runs] == [
        {"parcel": f"parcel-{number}", "cents": 100 * number} for number in range(ORDERS)
    ]
    steps = [f"{step} {number}" for step in ("charge", "pack", "ship") for number in range(ORDERS)]
    assert sorted(ledger.read_text().splitlines()) == sorted(steps)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("service") / "home") as server:
        yield server


@pytest.fixture
def client(running: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=30) as client:
        yield client


def test_a_finished_run_can_be_read(client: httpx.Client, tmp_path: Path) -> None:
    inputs = inputs_of(7, tmp_path / "ledger.txt", takes_s=0)
    execution = client.post("/runs", json={"inputs": inputs}).json()["execution"]
    live = [json.loads(line) for line in client.get(f"/runs/{execution}/events").iter_lines()]
    past = [json.loads(line) for line in client.get(f"/runs/{execution}/events").iter_lines()]

    assert live == past
    assert [each["kind"] for each in live][:2] == ["Submitted", "Adopted"]
    assert live[-1]["kind"] == "Ended"
    assert client.get(f"/runs/{execution}").json() == {
        "phase": "SUCCEEDED",
        "nodes": {"pack": "SUCCEEDED", "charge": "SUCCEEDED", "ship": "SUCCEEDED"},
        "outputs": {"parcel": "parcel-7", "cents": 700},
    }
    assert {"execution": execution, "phase": "SUCCEEDED"} in client.get("/runs").json()
    assert client.delete(f"/runs/{execution}").json()["error"] == f"Run `{execution}` has ended"


def test_a_run_can_be_aborted(client: httpx.Client, tmp_path: Path) -> None:
    inputs = inputs_of(8, tmp_path / "ledger.txt", takes_s=60)
    execution = client.post("/runs", json={"inputs": inputs}).json()["execution"]
    with client.stream("GET", f"/runs/{execution}/events") as answer:
        kinds = (json.loads(line)["kind"] for line in answer.iter_lines())
        assert "AttemptStarted" in kinds
        assert client.delete(f"/runs/{execution}").status_code == 202
        assert list(kinds)[-1] == "Ended"
    assert client.get(f"/runs/{execution}").json()["phase"] == "ABORTED"
    assert not (tmp_path / "ledger.txt").exists()


def test_many_open_streams_do_not_keep_others_from_submitting(running: Server, tmp_path: Path) -> None:
    # More than the threads that asyncio has for calls that block.
    streams = 3 * (os.cpu_count() or 1) + 12

    async def watch_many() -> None:
        opened = asyncio.Barrier(streams + 1)
        limits = httpx.Limits(max_connections=streams + 2)
        async with httpx.AsyncClient(base_url=running.url, limits=limits, timeout=10) as client:
            slow = await submit(client, inputs_of(9, tmp_path / "slow.txt", takes_s=60))

            async def watch() -> str:
                last = ""
                async with client.stream("GET", f"/runs/{slow}/events") as answer:
                    async for line in answer.aiter_lines():
                        if not last:
                            await opened.wait()
                        last = json.loads(line)["kind"]
                return last

            async with asyncio.TaskGroup() as watchers:
                watching = [watchers.create_task(watch()) for _ in range(streams)]
                await opened.wait()
                await submit(client, inputs_of(10, tmp_path / "quick.txt", takes_s=0))
                assert (await client.delete(f"/runs/{slow}")).status_code == 202
            assert {each.result() for each in watching} == {"Ended"}

    asyncio.run(watch_many())


def test_a_full_queue_is_answered_with_when_to_come_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "hardpoint.toml").write_text('[tenants."*"]\nmax_running = 1\nmax_queued = 1\n')
    inputs = inputs_of(1, tmp_path / "ledger.txt", takes_s=60)
    with serving(home) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        codes = [client.post("/runs", json={"inputs": inputs}).status_code for _ in range(2)]
        refused = client.post("/runs", json={"inputs": inputs, "qos": "high"})
        phases = [each["phase"] for each in client.get("/runs").json()]
    assert (codes, phases) == ([201, 201], ["QUEUED", "RUNNING"])
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
    assert refused.json()["error"] == "The queue of tenant `default/development` is full: `max_queued` is 1"


def test_errors_say_what_helps(client: httpx.Client) -> None:
    missing = client.post("/runs", json={"inputs": {"number": 1}})
    assert missing.status_code == 400
    assert "`cents`, a `int`, is missing" in missing.json()["error"]
    assert missing.json()["hint"]

    unknown = client.get("/runs/nowhere")
    assert unknown.status_code == 404
    assert unknown.json()["hint"] == (
        "`hardpoint executions list` shows all; `HARDPOINT_HOME` chooses the store"
    )
