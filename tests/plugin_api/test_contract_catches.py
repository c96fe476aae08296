"""The contract suite can fail: each broken promise is caught by the test that is about it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import broken_jobservice
import pytest

PLUGIN_DIR = Path(broken_jobservice.__file__).parent

CAUGHT_BY = {
    "TestIgnoresTheToken": {
        "test_create_repeated_is_the_same_job",
        "test_create_after_a_lost_reply_is_the_same_job",
        "test_create_after_a_broken_reply_is_the_same_job",
        "test_create_in_another_process_is_the_same_job",
        "test_two_callers_at_once_get_one_job",
        "test_an_ended_job_is_still_the_job_of_its_token",
    },
    "TestRemembersInMemory": {
        "test_create_after_a_lost_reply_is_the_same_job",
        "test_create_after_a_broken_reply_is_the_same_job",
        "test_create_in_another_process_is_the_same_job",
        "test_two_callers_at_once_get_one_job",
    },
    "TestRefusesATakenName": {"test_create_repeated_is_the_same_job"},
    "TestNeverSearches": {"test_create_repeated_is_the_same_job", "test_two_callers_at_once_get_one_job"},
    "TestDeclaresNoSettlingDelay": {"test_idempotency_is_declared"},
    "TestPollsOneByOne": {"test_many_jobs_take_few_calls"},
    "TestUnknownIdFailsTheBatch": {"test_unknown_id_does_not_fail_its_batch"},
    "TestFailedWithoutError": {"test_failure_is_seen_with_its_error"},
    "TestKeepsTheSecret": {"test_references_and_statuses_hold_no_secret"},
    "TestTellsTheSecret": {"test_errors_hold_no_secret"},
    "TestBypassesTheGate": {
        "test_every_call_passes_the_gate",
        "test_create_starts_nothing_when_the_gate_refuses",
    },
    "TestSwallowsThrottling": {"test_429_is_throttled"},
    "TestForgetsRetryAfter": {"test_429_is_throttled"},
    "TestRaisesTheDecodersError": {"test_broken_reply_is_classed"},
    "TestOutputsOfAnotherType": {"test_outputs_fit_the_interface"},
    "TestCancelsOnlyOnce": {"test_cancel_twice_is_no_error", "test_cancel_after_the_end_changes_nothing"},
    "TestFindsAnything": {"test_find_before_create_is_none"},
    "TestAcceptsMisspeltConfig": {"test_config_refuses_unknown_fields"},
    "TestIsRight": set(),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints about the broken handlers: the tests that should fail, and all of the right one."""
    config = tmp_path_factory.mktemp("broken") / "pytest.ini"
    config.write_text("[pytest]\naddopts = --import-mode=importlib --noconftest -p no:cacheprovider\n")
    module = PLUGIN_DIR / "broken_jobservice.py"
    tests = [f"{module}::{name}::{test}" for name, tests in CAUGHT_BY.items() for test in sorted(tests)]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-rf",
            "--tb=no",
            "-c",
            config,
            *tests,
            f"{module}::TestIsRight",
        ],
        env={**os.environ, "PYTHONPATH": str(PLUGIN_DIR), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def failed(report: str) -> dict[str, set[str]]:
    """Names of failed tests by class."""
    found = defaultdict(set)
    for class_name, test in re.findall(r"^FAILED \S*::(\w+)::(\w+)", report, re.MULTILINE):
        found[class_name].add(test)
    return found


@pytest.mark.parametrize("broken", CAUGHT_BY)
def test_broken_promise_is_caught(broken: str, failed: dict[str, set[str]]) -> None:
    assert CAUGHT_BY[broken] <= failed[broken]


def test_right_handler_passes(failed: dict[str, set[str]]) -> None:
    assert failed["TestIsRight"] == set()


def test_every_broken_handler_is_listed() -> None:
    defined = {name for name in vars(broken_jobservice) if name.startswith("Test")}
    assert set(CAUGHT_BY) == defined


def test_failure_names_the_promise(report: str) -> None:
    assert "AssertionError: A repeated create is the first job: `j" in report
    assert "AssertionError: `50` jobs are polled in at most `3` calls, not `50`" in report
