"""Commands that do their work: run, plan, compile, graph, and looking at what was run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from hardpoint.core.compiled import from_json
from hardpoint.executor.cli.entry import run_command_line

FLOW = '''
import sys

from hardpoint.core import File, Retry, task, workflow


@task(cache=True)
def load(n: int) -> list[int]:
    print("loading", n)
    print("warned", file=sys.stderr)
    return list(range(n))


@task(cache=True)
def total(numbers: list[int]) -> int:
    return sum(numbers)


@task(retry=Retry(2, delay_s=0.0), timeout=30.0)
def half(number: int) -> int:
    print(number, "halved")
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


@workflow
def summed(n: int) -> int:
    """Add numbers up."""
    return total(numbers=load(n=n))


@workflow
def main(n: int = 4, dry_run: bool = False) -> int:
    """Halve a sum.

    Args:
        n: How many numbers.
    """
    return half(number=total(numbers=[summed(n=n), summed(n=2), 1]))


@workflow
def same(file: File) -> File:
    return file
'''

ID = r"\d{8}-\d{6}-[a-z2-9]{5}"


class Said(NamedTuple):
    out: str
    err: str
    code: int


Cli = Callable[[str], Said]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run one command line in this process, in a folder with `flow.py`."""
    (tmp_path / "flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARDPOINT_HOME", "home")

    def run(line: str) -> Said:
        code = run_command_line(line.split())
        return Said(*capfd.readouterr(), code)

    return run


def test_a_run_says_what_changes_then_its_outputs_then_where_to_look(cli: Cli) -> None:
    said = cli("run flow.py summed --n 3 --home other")
    lines = said.out.splitlines()
    assert [re.sub(r"\d+ ms", "N ms", line[10:]) for line in lines[:4]] == [
        "load   STARTED",
        "load   SUCCEEDED  after N ms",
        "total  STARTED",
        "total  SUCCEEDED  after N ms",
    ]
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in lines[:4])
    (execution,) = re.findall(ID, lines[6])
    assert [lines[4], lines[5], re.sub(r"\d+ ms", "N ms", lines[6]), *lines[7:]] == [
        "",
        "result = 3",
        f"Run `{execution}` succeeded after N ms",
        f"Look closer with `hardpoint executions show {execution} --home other`",
        f"What its attempts printed: `hardpoint executions logs {execution} --home other`",
    ]
    assert (said.err, said.code) == ("", 0)


def test_what_is_cached_is_marked_and_counted(cli: Cli) -> None:
    first = json.loads(cli("run flow.py summed --n 3 --json").out)["execution"]
    said = cli("run flow.py summed --n 3")
    lines = said.out.splitlines()
    assert [line[10:] for line in lines[:2]] == [
        f"load   CACHED     from run {first}",
        f"total  CACHED     from run {first}",
    ]
    assert "2 of 2 nodes came from the cache" in lines
    shown = json.loads(cli("executions show last --json").out)
    assert [(node["state"], node["cached_from"]) for node in shown["nodes"]] == [("SUCCEEDED", first)] * 2


def test_json_is_one_object_on_stdout(cli: Cli) -> None:
    said = cli("run flow.py summed --n 5 --json -p team -d prod")
    answer = json.loads(said.out)
    assert re.fullmatch(ID, answer.pop("execution"))
    assert answer == {"phase": "SUCCEEDED", "outputs": {"result": 10}, "error": None}
    assert (said.err, said.code) == ("", 0)
    (row,) = json.loads(cli("executions list --json").out)
    assert (row["project"], row["domain"], row["driven"]) == ("team", "prod", False)


def test_a_failure_names_the_node_and_shows_the_authors_traceback(cli: Cli) -> None:
    said = cli("run flow.py main --n 3")
    (execution,) = set(re.findall(ID, said.err))
    assert said.err == (
        f"Run `{execution}` failed at node `half`: ValueError: 5 is odd\n\n"
        "Traceback (most recent call last):\n"
        '  File "flow.py", line 23, in half\n'
        '    raise ValueError(f"{number} is odd")\n'
        "ValueError: 5 is odd\n\n"
        f"hint: `hardpoint executions show {execution}` shows its nodes, `… resume` tries them again\n"
    )
    assert said.code == 1
    lines = [" ".join(line.split()[1:]) for line in said.out.splitlines()]
    assert "half BACKOFF attempt 1: ValueError: 5 is odd; attempt 2 in 0 ms" in lines
    assert "half FAILED attempt 2: ValueError: 5 is odd" in lines
    assert said.out.endswith(f"`hardpoint executions logs {execution} half`\n")
    again = json.loads(cli("executions resume last --json").out)
    assert again == {
        "execution": execution,
        "phase": "FAILED",
        "outputs": {},
        "error": {"node": "half", "code": "ValueError", "message": "5 is odd", "hint": ""},
    }


def test_help_of_a_workflow_lists_its_inputs(cli: Cli) -> None:
    said = cli("run flow.py main --help")
    assert said.out == (
        "Usage: hardpoint run flow.py main [OPTIONS] [--INPUT VALUE]...\n\n"
        "  Halve a sum.\n\n"
        "Inputs:\n"
        "  --n        int   How many numbers. default 4\n"
        "  --dry-run  bool  default false\n\n"
        "Outputs:\n"
        "  result  int\n\n"
        "The options of `hardpoint run --help` may follow too.\n"
    )
    listed = cli("run flow.py --help")
    assert listed.out == (
        "Usage: hardpoint run flow.py WORKFLOW [--INPUT VALUE]...\n\n"
        "Workflows:\n"
        "  summed(n: int) -> int\n"
        "  main(n: int = 4, dry_run: bool = False) -> int\n"
        "  same(file: File) -> File\n"
    )
    assert (said.code, listed.code) == (0, 0)


def test_files_come_back_as_places(cli: Cli, tmp_path: Path) -> None:
    out = cli("run flow.py same --file flow.py").out
    (place,) = re.findall(r"^result = (\S+) \(flow.py, \d+ B\)$", out, re.MULTILINE)
    assert Path(place).read_text() == FLOW
    assert Path(place).is_relative_to(tmp_path / "home" / "blobs")


def test_compile_writes_what_can_be_read_again(cli: Cli, tmp_path: Path) -> None:
    said = cli("compile flow.py main -o out.json")
    compiled = from_json((tmp_path / "out.json").read_bytes())
    assert said.out == f"flow.py:main: 6 nodes, digest {compiled.digest} → out.json\n"
    told = json.loads(cli("compile flow.py main --json").out)
    assert told == {
        "workflow": "flow.py:main",
        "digest": compiled.digest,
        "nodes": 6,
        "tasks": 3,
        "map": {},
        "output": None,
    }
    piped = cli("compile flow.py main -o -")
    assert from_json(piped.out.encode()).digest == compiled.digest
    assert piped.err == f"flow.py:main: 6 nodes, digest {compiled.digest}\n"
    assert not (tmp_path / "home").exists()


def test_graph_is_mermaid(cli: Cli) -> None:
    said = cli("graph flow.py summed")
    assert said.out.startswith("flowchart TD\n")
    assert json.loads(cli("graph flow.py summed --json").out)["mermaid"] == said.out


def test_a_plan_makes_no_store_and_knows_no_cache(cli: Cli, tmp_path: Path) -> None:
    planned = json.loads(cli("plan flow.py main --n 4 --json").out)
    assert [(node["node"], node["cache"]) for node in planned["nodes"]] == [
        ("summed.load", "miss"),
        ("summed.total", "unknown"),
        ("summed_2.load", "miss"),
        ("summed_2.total", "unknown"),
        ("total", "unknown"),
        ("half", "off"),
    ]
    half = planned["nodes"][-1]
    assert (half["plugin"], half["attempts"], half["timeout_s"]) == ("built in", 2, 30.0)
    assert planned["critical_path"] == {
        "nodes": ["summed.load", "summed.total", "total", "half"],
        "duration_s": None,
    }
    assert not (tmp_path / "home").exists()


def test_a_plan_after_a_run_knows_hits_and_durations(cli: Cli) -> None:
    cli("run flow.py main --n 3 --json")
    planned = json.loads(cli("plan flow.py main --n 3 --json").out)
    assert [node["cache"] for node in planned["nodes"]] == ["hit"] * 5 + ["off"]
    assert planned["critical_path"]["duration_s"] > 0
    text = cli("plan flow.py main").out
    assert "Cache: 2 hit, 1 miss, 2 unknown (their inputs depend on what must run first)" in text
    assert re.search(
        r"^Longest chain: summed(_2)?\.load → .* → total → half \(4 nodes, .* as in earlier runs\)$",
        text,
        re.M,
    )


def test_lists_shows_events_and_logs(cli: Cli) -> None:
    first = json.loads(cli("run flow.py summed --n 3 --json").out)["execution"]
    second = json.loads(cli("run flow.py main --n 3 --json").out)["execution"]
    listed = json.loads(cli("executions list --json").out)
    assert [(row["execution"], row["phase"]) for row in listed] == [(second, "FAILED"), (first, "SUCCEEDED")]
    assert [row["execution"] for row in json.loads(cli("executions list --phase succeeded --json").out)] == [
        first
    ]
    assert cli("executions list --limit 1").out.splitlines()[1].startswith(f"{second}  flow.py:main  FAILED")
    shown = cli(f"executions show {first[-5:]}").out
    assert shown.startswith(f"Run       {first}\nWorkflow  flow.py:summed, 2 nodes, digest ")
    assert shown.endswith("\n\nInputs\n  n = 3\n\nOutputs\n  result = 3\n")
    events = json.loads(cli(f"executions events {first} --json").out)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["kind"], events[-1]["kind"]) == ("Submitted", "Ended")
    followed = [
        json.loads(line) for line in cli(f"executions events {first} --follow --json").out.splitlines()
    ]
    assert followed == events
    assert cli(f"executions logs {first}").out == (
        "── load, attempt 1, stdout\nloading 3\n── load, attempt 1, stderr\nwarned\n"
    )
    assert cli(f"executions logs {second} half --attempt 2").out == "── half, attempt 2, stdout\n5 halved\n"
    assert json.loads(cli(f"executions logs {first} total --json").out) == [
        {"node": "total", "attempt": 1, "state": "SUCCEEDED", "stdout": "", "stderr": ""}
    ]
    assert (
        cli(f"executions logs {first} total").out
        == f"No attempt of `total` in run `{first}` printed anything\n"
    )
    refused = cli(f"executions logs {first} laod")
    assert refused.err == f"Run `{first}` has no node `laod`\n\nhint: Did you mean `load`?\n"
    refused = cli("executions show 2")
    assert refused.err.startswith(f"`2` fits 2 runs: `{second}`, `{first}`\n\nhint: ")
    assert refused.code == 2


def test_a_detached_run_waits_and_can_be_aborted_before_anything_starts(cli: Cli) -> None:
    said = cli("run flow.py summed --n 3 --detach")
    execution = said.out.strip()
    assert re.fullmatch(ID, execution)
    assert said.err == "Run it with `hardpoint executor start`\n"
    (row,) = json.loads(cli("executions list --json").out)
    assert (row["phase"], row["started"]) == ("QUEUED", None)
    aborted = cli("executions abort last --reason enough")
    assert (aborted.out, aborted.code) == (f"Run `{execution}` is ABORTED\n", 0)
    kinds = [event["kind"] for event in json.loads(cli("executions events last --json").out)]
    assert kinds == ["Submitted", "AbortRequested", "Adopted", "Ended"]
    resumed = json.loads(cli("executions resume last --json").out)
    assert resumed == {"execution": execution, "phase": "SUCCEEDED", "outputs": {"result": 3}, "error": None}
    refused = cli("executions abort last")
    assert refused.err == (
        f"Run `{execution}` has ended already: SUCCEEDED\n\n"
        f"hint: `hardpoint executions show {execution}` shows how\n"
    )
    assert refused.code == 2
