"""`hardpoint plugins check` as a process: our own plugins pass, broken ones are named with their promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hardpoint.executor.cli.plugins_check_run import Limits, run_kit

PATIENCE_S = 240.0
CLI = "import sys; from hardpoint.executor.cli.entry import run_command_line as r; sys.exit(r(sys.argv[1:]))"
NO_PYTEST = f"import sys; sys.modules['pytest'] = None; {CLI}"

NO_SDK = "No `vendor_modules` are named, so there is nothing to look for"
NO_SEARCH = "It does not declare `search`, so it is never asked for duplicates"
TOKEN = {
    "test_discovery_imports_no_sdk": NO_SDK,
    "test_duplicates_are_told_and_left_alone": NO_SEARCH,
    "test_a_name_that_another_request_has_is_not_adopted": "It declares `token`, not `name`",
}
SKIPPED = {
    "jobservice": TOKEN,
    "jobservice_push": TOKEN,
    "jobservice_array": TOKEN,
    "jobservice_name": {
        "test_discovery_imports_no_sdk": NO_SDK,
        "test_duplicates_are_told_and_left_alone": NO_SEARCH,
    },
    "jobservice_search": {
        "test_discovery_imports_no_sdk": NO_SDK,
        "test_a_name_that_another_request_has_is_not_adopted": "It declares `search`, not `name`",
        "test_one_token_is_one_job[conflict]": "It declares `search`: the service knows no identity of ours "
        "that could be taken",
    },
    "notebook": {
        "test_nothing_that_is_kept_or_printed_holds_a_secret": "No `secrets` are given to the trial of "
        "task type `notebook`"
    },
}
CASES_MIN = {"hardpoint-jobservice": 600, "notebook": 12}

PLUGIN = """
import os
import signal
import time

from broken_functions import ScriptConfig, ScriptHandler, ScriptKit
from hardpoint.plugin_api import Shape, TaskType, hookimpl


class Plugin:
    @hookimpl
    def task_types(self):
        return [TaskType(name, Shape.FUNCTION, ScriptHandler, config=ScriptConfig) for name in NAMES]


NAMES = ("script", "other_script")
plugin = Plugin()


class RightKit(ScriptKit):
    plugin_object = "script_plugin:plugin"


class WrongKit(RightKit):
    class broken(ScriptHandler):
        def run(self, context, inputs):
            return {"numbers": super().run(context, inputs)["numbers"] + [os.getpid()], "surplus": 1}


class RaisingKit(RightKit):
    def task_type(self):
        raise KeyError("no such declaration")


class EndingKit(RightKit):
    def test_that_exits(self):
        os._exit(3)

    def test_that_is_killed(self):
        os.kill(os.getpid(), signal.SIGSEGV)


class ForkingKit(RightKit):
    def test_that_forks(self):
        if not os.fork():
            time.sleep(600)


class HangingKit(RightKit):
    def test_that_hangs(self):
        time.sleep(600)
"""


class Said(NamedTuple):
    out: str
    err: str
    code: int

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


class Bench:
    """A folder of installed distributions, and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PYTEST_ADDOPTS": "--no-such-option",
        }

    def install(self, kit: str = "", plugin: str = PLUGIN, *, other: bool = False) -> None:
        """Write what `pip install hardpoint-script` would, with a kit of that name."""
        (self.folder / "script_plugin.py").write_text(plugin)
        names = ("script", "other_script") if other else ("script",)
        kits = f"[hardpoint.conformance]\nscript = script_plugin:{kit}\n" if kit else ""
        types = "".join(f"{name} = script_plugin:plugin\n" for name in names)
        metadata = self.folder / "hardpoint_script-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hardpoint-script\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(
            f"[hardpoint.plugins]\n{types}\n[hardpoint.api]\n1.0 = script_plugin\n\n{kits}"
        )

    def start(self, *words: str, program: str = CLI) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", program, "plugins", *words],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, program: str = CLI) -> Said:
        return ended(self.start(*words, program=program))

    def verdict(self) -> str:
        """What `plugins list` says of the check; empty if it knows of none."""
        rows: list[dict[str, Any]] = json.loads(self.run("list", "--json").out)
        [row] = [each for each in rows if each["name"] == "script"]
        return str(row["verdict"]["summary"]) if row["verdict"] else ""


def ended(process: subprocess.Popen[str]) -> Said:
    out, err = process.communicate(timeout=PATIENCE_S)
    return Said(out, err, process.returncode)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# --- our own plugins ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Said]]:
    """Both at once: they mostly wait."""
    bench = Bench(tmp_path_factory.mktemp("ours"))
    started = {name: bench.start("check", name, "--json") for name in CASES_MIN}
    yield {name: ended(process) for name, process in started.items()}


@pytest.mark.parametrize("name", CASES_MIN)
def test_our_plugins_pass_and_say_what_does_not_apply(name: str, ours: dict[str, Said]) -> None:
    said = ours[name]
    told = said.json
    assert told["failures"] == []
    assert (told["failed"], said.code) == (0, 0)
    assert told["passed"] >= CASES_MIN[name]
    skipped: dict[str, dict[str, str]] = {}
    for each in told["skipped"]:
        skipped.setdefault(each["task_type"], {})[each["case"]] = each["reason"]
    assert skipped == {each: SKIPPED[each] for each in sorted(told["task_types"])}


def test_progress_is_told_on_stderr(ours: dict[str, Said]) -> None:
    assert "checking notebook … " in ours["notebook"].err
    assert " of 14 cases\n" in ours["notebook"].err


# --- what a run says ---------------------------------------------------------------------------------------


def test_a_plugin_that_keeps_its_promises_passes(bench: Bench) -> None:
    bench.install("RightKit")
    said = bench.run("check", "script")
    assert said.code == 0, said.out + said.err
    lines = said.out.splitlines()
    assert lines[0].split() == ["CASE", "RESULT", "REASON"]
    assert [line.split() for line in lines if "repeated_run" in line] == [
        ["test_repeated_run_gives_the_same", "passed"]
    ]
    assert lines[-1].startswith("script: 14 passed, 0 failed, 0 skipped in ")
    assert bench.verdict() == "14 cases passed, 0 skipped"


def test_a_broken_promise_is_named(bench: Bench) -> None:
    bench.install("WrongKit")
    said = bench.run("check", "hardpoint_script", "--json")
    told = said.json
    assert said.code == 1
    assert list(told) == ["plugin", "task_types", "passed", "failed", "skipped", "failures", "took_s"]
    assert (told["plugin"], told["task_types"]) == ("hardpoint_script", ["script"])
    assert (told["passed"], told["failed"]) == (12, 2)
    assert {each["case"]: each["promise"] for each in told["failures"]} == {
        "test_outputs_fit_the_interface": "The outputs are `['numbers']`, not `['numbers', 'surplus']`",
        "test_run_after_a_failed_one_succeeds": "The outputs are `['numbers']`, not `['numbers', 'surplus']`",
    }
    failed = "test_outputs_fit_the_interface, test_run_after_a_failed_one_succeeds"
    assert bench.verdict() == f"2 of 14 cases failed: {failed}"


def test_words_choose_cases_and_leave_no_verdict(bench: Bench) -> None:
    bench.install("WrongKit")
    said = bench.run("check", "script", "-k", "repeated or config", "--json")
    assert (said.code, said.json["passed"]) == (0, 4)
    assert bench.verdict() == ""
    said = bench.run("check", "script", "-k", "nothing_like_it")
    assert said.code == 2
    assert said.err == (
        "No case of `script` has `nothing_like_it` in its name\n\n"
        "hint: `hardpoint plugins check script` lists them all\n"
    )


def test_a_task_type_without_a_kit_is_told_beside_one_that_has_it(bench: Bench) -> None:
    bench.install("RightKit", other=True)
    told = bench.run("check", "hardpoint-script", "--json").json
    assert told["task_types"] == ["other_script", "script"]
    assert told["skipped"] == [
        {
            "task_type": "other_script",
            "case": "its kit",
            "reason": "It names no kit in `hardpoint.conformance`",
        }
    ]


# --- what cannot be run ------------------------------------------------------------------------------------


def test_a_plugin_without_a_kit_is_told_how_to_get_one(bench: Bench) -> None:
    bench.install()
    said = bench.run("check", "script")
    assert said.code == 2
    assert said.err.startswith(
        "`script` names no kit that it could be checked with\n\nhint: Its author adds "
    )
    assert '[project.entry-points."hardpoint.conformance"]' in said.err


def test_a_misspelt_name_is_corrected(bench: Bench) -> None:
    bench.install("RightKit")
    said = bench.run("check", "skript", "--json")
    [failure] = json.loads(said.err)
    assert (said.code, failure["code"]) == (2, "NoPluginError")
    assert failure["hint"] == "Did you mean `script`?"


def test_what_is_built_in_has_no_kit(bench: Bench) -> None:
    said = bench.run("check", "python")
    assert (said.code, said.err) == (2, "`python` is built in\n\nhint: hardpoint's own tests check it\n")


def test_without_pytest_the_extra_is_named(bench: Bench) -> None:
    said = bench.run("check", "notebook", program=NO_PYTEST)
    assert said.code == 2
    assert said.err == "The suite needs pytest\n\nhint: Run `pip install 'hardpoint[testing]'`\n"


# --- plugins that take the process with them ---------------------------------------------------------------


def test_a_kit_that_cannot_be_imported_is_a_failed_case(bench: Bench) -> None:
    bench.install("MissingKit")
    said = bench.run("check", "script", "--json")
    [failure] = said.json["failures"]
    assert (said.code, failure["case"]) == (1, "its kit")
    assert "module 'script_plugin' has no attribute 'MissingKit'" in failure["promise"]


def test_an_exception_of_the_plugin_is_told_with_its_frames(bench: Bench) -> None:
    bench.install("RaisingKit")
    said = bench.run("check", "script", "-k", "schema")
    assert said.code == 1
    assert "Raised: KeyError: 'no such declaration'" in said.out
    assert textwrap.dedent(PLUGIN).count("no such declaration") == 1
    assert 'in task_type\n    raise KeyError("no such declaration")' in said.out
    assert "_pytest" not in said.out


def test_cases_that_end_their_process_have_failed_and_the_others_run(bench: Bench) -> None:
    bench.install("EndingKit")
    said = bench.run("check", "script", "--json")
    assert (said.code, said.json["passed"]) == (1, 14)
    assert {each["case"]: each["promise"] for each in said.json["failures"]} == {
        "test_that_exits": "It ended the process, which ended with exit code 3",
        "test_that_is_killed": "It ended the process, which was killed by SIGSEGV",
    }


def test_a_process_that_is_left_behind_holds_nobody_up(bench: Bench) -> None:
    bench.install("ForkingKit")
    began_s = time.monotonic()
    said = bench.run("check", "script", "-k", "forks or schema")
    assert (said.code, time.monotonic() - began_s < 60) == (0, True)


def test_a_case_that_hangs_has_failed_and_the_others_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.install("HangingKit")
    monkeypatch.setenv("PYTHONPATH", str(bench.folder))
    told: list[tuple[int, int]] = []
    cases = run_kit(
        "script_plugin:HangingKit", "", lambda done, total: told.append((done, total)), Limits(case_s=2.0)
    )
    [failed] = [each for each in cases if each.outcome != "passed"]
    assert (failed.case, failed.reason) == ("test_that_hangs", "Not finished after 2 s")
    assert "in test_that_hangs" in failed.traceback
    assert (len(cases), told[-1][1]) == (15, 15)


def test_a_check_that_takes_too_long_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.install("HangingKit")
    monkeypatch.setenv("PYTHONPATH", str(bench.folder))
    began_s = time.monotonic()
    cases = run_kit("script_plugin:HangingKit", "hangs", lambda done, total: None, Limits(600.0, 3.0))
    assert time.monotonic() - began_s < 60
    assert [each.outcome for each in cases] == ["failed"]
