"""The contract suite can fail: each broken promise is caught by the case that is about it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import broken_arrays
import broken_declarations
import broken_functions
import broken_jobservice
import broken_streams
import broken_usage
import broken_verbs
import pytest

from hardpoint.plugin_api.testing.contract import ArrayContract, FunctionContract, PushContract

PLUGIN_DIR = Path(broken_jobservice.__file__).parent
ONE_JOB = "test_one_token_is_one_job"

CAUGHT_BY: dict[ModuleType, dict[str, set[str]]] = {
    broken_jobservice: {
        "TestIgnoresTheToken": {
            "test_create_repeated_is_the_same_job",
            "test_an_ended_job_is_still_the_job_of_its_token",
            f"{ONE_JOB}[reply_lost]",
            f"{ONE_JOB}[reply_broken]",
            f"{ONE_JOB}[reply_late]",
            f"{ONE_JOB}[crash_after_call]",
            f"{ONE_JOB}[restart]",
            f"{ONE_JOB}[conflict]",
            f"{ONE_JOB}[listing_lag]",
            f"{ONE_JOB}[two_engines]",
        },
        "TestRemembersInMemory": {
            f"{ONE_JOB}[reply_lost]",
            f"{ONE_JOB}[crash_after_call]",
            f"{ONE_JOB}[restart]",
            f"{ONE_JOB}[two_engines]",
        },
        "TestRefusesATakenName": {"test_create_repeated_is_the_same_job", f"{ONE_JOB}[restart]"},
        "TestFindsTheYoungest": {"test_duplicates_are_told_and_left_alone"},
        "TestTwiceOnItsWay": {f"{ONE_JOB}[call_repeated]"},
        "TestAdoptsAnything": {"test_a_name_that_another_request_has_is_not_adopted"},
        "TestDeclaresNoSettlingDelay": {"test_idempotency_is_declared"},
        "TestPollsOneByOne": {"test_many_jobs_take_few_calls"},
        "TestUnknownIdFailsTheBatch": {"test_unknown_id_does_not_fail_its_batch"},
        "TestFailedWithoutError": {"test_failure_is_seen_with_its_error"},
        "TestMapsAStateWrongly": {"test_every_documented_state_is_mapped"},
        "TestEndsAnUnknownState": {"test_unknown_state_is_running_and_named"},
        "TestNamesNoUnknownState": {"test_unknown_state_is_running_and_named"},
        "TestMakesUpStatuses": {"test_ten_minutes_of_outage_are_not_remembered"},
        "TestRemembersAnOutage": {"test_ten_minutes_of_outage_are_not_remembered"},
        "TestCountsItsPolls": {"test_repeated_read_says_the_same[poll]"},
        "TestKeepsTheSecret": {"test_nothing_that_is_kept_holds_a_secret"},
        "TestLogsTheSecret": {"test_nothing_that_is_logged_or_printed_holds_a_secret"},
        "TestTellsTheSecret": {"test_errors_hold_no_secret[cancel-500]"},
        "TestBypassesTheGate": {
            "test_every_call_passes_the_gate",
            "test_create_starts_nothing_when_the_gate_refuses",
        },
        "TestSwallowsThrottling": {"test_429_is_throttled[poll]"},
        "TestForgetsRetryAfter": {"test_429_is_throttled[create]"},
        "TestChargesTheAuthor": {"test_5xx_is_transient[find-503]", "test_timeout_is_transient[find]"},
        "TestRaisesTheDecodersError": {"test_broken_reply_is_classed[find]"},
        "TestOutputsOfAnotherType": {"test_outputs_fit_the_interface"},
        "TestCancelsOnlyOnce": {
            "test_cancel_twice_is_no_error",
            "test_cancel_after_a_lost_reply_can_be_repeated",
            "test_cancel_after_the_end_changes_nothing",
            "test_repeated_cancel_is_no_error",
        },
        "TestFindsAnything": {
            "test_find_before_create_is_none",
            "test_cancel_before_create_finds_nothing_to_end",
        },
        "TestAcceptsMisspeltConfig": {"test_config_refuses_unknown_fields"},
        "TestLeavesAThread": {"test_nothing_is_left_behind"},
        "TestLeavesASocket": {"test_nothing_is_left_behind"},
        "TestForgetsAFile": {"test_nothing_is_left_behind"},
        "TestLeavesATemporaryFile": {"test_nothing_is_left_behind"},
        "TestImportsTheSdk": {"test_discovery_imports_no_sdk"},
        "TestIsRight": set(),
    },
    broken_verbs: {
        "TestOneKeyForAll": {"test_another_token_is_another_job"},
        "TestReturnsAnotherId": {"test_create_starts_a_job"},
        "TestTriesWrongRequestsAgain": {"test_400_is_the_authors"},
        "TestGoesOnWithoutItsSecret": {"test_missing_secret_is_named"},
        "TestNamesAnotherSecret": {"test_reference_names_its_secrets"},
        "TestHasNoHint": {"test_refused_credentials_are_permanent[find-403]"},
        "TestNeverFinds": {
            "test_find_after_create_is_the_job",
            "test_find_after_a_lost_reply_is_the_job",
            "test_cancel_of_a_job_whose_create_was_not_answered",
        },
        "TestCancelsDuplicatesItself": {"test_duplicates_are_told_and_left_alone"},
        "TestNeverCancels": {
            "test_cancel_ends_the_job",
            "test_cancel_of_a_job_whose_create_was_not_answered",
            "test_cancel_while_create_is_under_way",
        },
        "TestCancelsEverything": {"test_cancel_leaves_other_jobs_alone"},
        "TestMissesForgottenJobs": {"test_cancel_of_an_unknown_job_is_no_error"},
        "TestNeedsAFirstJob": {"test_nothing_to_poll_is_nothing"},
        "TestAnswersForAllItKnows": {"test_only_what_was_asked_is_answered"},
        "TestKnowsItsJobsByHeart": {"test_reference_is_enough_after_a_restart"},
        "TestNeverSucceeds": {"test_success_is_seen"},
        "TestSucceedsAtOnce": {"test_young_job_is_under_way"},
        "TestSaysNumbers": {"test_statuses_survive_json"},
        "TestTellsOtherOutputs": {"test_outputs_that_come_with_the_status_are_the_outputs"},
        "TestVerbsAreRight": set(),
    },
    broken_declarations: {
        "TestDeclaresAnotherShape": {"test_declares_its_shape"},
        "TestLacksAVerb": {"test_declares_its_shape"},
        "TestHidesItsStream": {"test_declares_its_shape"},
        "TestHasNoSchema": {"test_config_has_a_schema"},
        "TestChangesItsConfig": {"test_config_survives_a_round_trip"},
        "TestClaimsFromAnothersPool": {"test_claims_name_pools_of_this_type"},
        "TestPreparesAnotherAccount": {"test_job_lives_in_the_prepared_account"},
        "TestStartsWhenItPrepares": {"test_prepare_has_no_effect"},
        "TestDeclarationIsRight": set(),
    },
    broken_arrays: {
        "TestIgnoresTheToken": {
            "test_create_repeated_is_the_same_job",
            f"{ONE_JOB}[reply_lost]",
            f"{ONE_JOB}[two_engines]",
        },
        "TestRefusesOneItem": {"test_every_size_has_a_state_for_each_item[one]"},
        "TestForgetsTheLastState": {"test_every_size_has_a_state_for_each_item[items_max]"},
        "TestTellsOneStateOfAll": {"test_items_have_states_of_their_own"},
        "TestEndsWithItsFirstItem": {"test_items_have_states_of_their_own"},
        "TestTellsNoErrors": {"test_items_have_states_of_their_own"},
        "TestReadsOutputsOneByOne": {"test_outputs_of_many_items_take_few_calls"},
        "TestShiftsOutputs": {"test_outputs_are_of_the_items_asked_for"},
        "TestNeverCancels": {"test_cancel_ends_the_items_that_have_not_ended", "test_cancel_ends_the_job"},
        "TestArrayIsRight": set(),
    },
    broken_streams: {
        "TestTellsNothing": {"test_watch_delivers", "test_stream_that_starts_late_tells_what_happened"},
        "TestGoesOnForever": {"test_watch_ends_when_the_sink_closes"},
        "TestForgetsThePast": {"test_stream_that_starts_late_tells_what_happened"},
        "TestContradictsThePoll": {"test_stream_and_poll_agree"},
        "TestRaisesItsOwn": {"test_stream_fails_as_a_poll_does"},
        "TestTellsTheSecret": {"test_stream_only_reads_and_tells_no_secret"},
        "TestStreamIsRight": set(),
    },
    broken_usage: {
        "TestDividesByZero": {"test_usage_is_finite_and_declared"},
        "TestTellsWhatItDoesNotDeclare": {"test_usage_is_finite_and_declared"},
        "TestTellsOfSuccessAlone": {
            "test_usage_is_told_once_the_job_has_ended[FAILED]",
            "test_usage_is_told_once_the_job_has_ended[CANCELLED]",
        },
        "TestEstimatesByTrying": {"test_estimate_changes_nothing"},
        "TestEstimatesTheSecret": {"test_estimate_holds_no_secret"},
        "TestUsageIsRight": set(),
    },
    broken_functions: {
        "TestOutputsOfAnotherType": {"test_outputs_fit_the_interface"},
        "TestRemembersTheLastRun": {"test_repeated_run_gives_the_same"},
        "TestChangesItsArguments": {"test_arguments_and_code_are_left_alone"},
        "TestWritesIntoTheArchive": {"test_arguments_and_code_are_left_alone"},
        "TestChangesTheDirectory": {"test_process_is_left_as_it_was"},
        "TestChangesTheEnvironment": {"test_process_is_left_as_it_was"},
        "TestHidesTheAuthorsError": {"test_error_of_the_authors_code_is_the_authors"},
        "TestFailsForGood": {"test_run_after_a_failed_one_succeeds"},
        "TestPrintsTheSecret": {"test_nothing_that_is_kept_or_printed_holds_a_secret"},
        "TestLeavesAThread": {"test_nothing_is_left_behind"},
        "TestLeavesAProcess": {"test_nothing_is_left_behind"},
        "TestImportsTheSdk": {"test_discovery_imports_no_sdk"},
        "TestAcceptsMisspeltConfig": {"test_config_refuses_unknown_fields"},
        "TestFunctionIsRight": set(),
    },
}
MUTANTS = [
    pytest.param(module, name, id=f"{module.__name__}-{name}")
    for module, mutants in CAUGHT_BY.items()
    for name in mutants
]


def selected(module: ModuleType) -> list[str]:
    """The cases that should fail; and of the right one, which has none, all of these."""
    file = PLUGIN_DIR / f"{module.__name__}.py"
    mutants = CAUGHT_BY[module]
    every = sorted(set().union(*mutants.values()))
    return [f"{file}::{name}::{case}" for name, cases in mutants.items() for case in sorted(cases) or every]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[ModuleType, str]:
    """What pytest prints about the broken handlers of each module."""
    config = tmp_path_factory.mktemp("broken") / "pytest.ini"
    config.write_text("[pytest]\naddopts = --import-mode=importlib --noconftest -p no:cacheprovider\n")
    started = {
        module: subprocess.Popen(
            [*(sys.executable, "-m", "pytest", "-q", "-rf", "--tb=no", "-c", config), *selected(module)],
            env={**os.environ, "PYTHONPATH": str(PLUGIN_DIR), "COLUMNS": "400"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for module in CAUGHT_BY
    }
    reports = {module: process.communicate(timeout=300)[0] for module, process in started.items()}
    assert [process.returncode for process in started.values()] == [1] * len(started), reports
    return reports


def failed(report: str, name: str) -> set[str]:
    """Cases of one class that failed."""
    return set(re.findall(rf"^FAILED \S*::{name}::(\S+)", report, re.MULTILINE))


@pytest.mark.parametrize(("module", "broken"), MUTANTS)
def test_broken_promise_is_caught(module: ModuleType, broken: str, reports: dict[ModuleType, str]) -> None:
    """By each case that is about it; and of what is right no case fails."""
    assert failed(reports[module], broken) == CAUGHT_BY[module][broken]


@pytest.mark.parametrize("module", CAUGHT_BY, ids=lambda module: module.__name__)
def test_every_broken_handler_is_listed(module: ModuleType) -> None:
    assert set(CAUGHT_BY[module]) == {name for name in vars(module) if name.startswith("Test")}


def test_every_case_catches_somebody() -> None:
    cases = {
        name
        for contract in (ArrayContract, FunctionContract, PushContract)
        for name in dir(contract)
        if name.startswith("test_")
    }
    caught = {case for mutants in CAUGHT_BY.values() for cases in mutants.values() for case in cases}
    assert cases - {case.partition("[")[0] for case in caught} == set()


@pytest.mark.parametrize(
    "promise",
    [
        "A repeated create is the first job: `j",
        "One token, one job, after a lost reply: got `j",
        "`50` jobs are polled in at most `3` calls, not `50`",
        "Nothing is left of 3 handlers that are gone, not 3 of the thread `keepalive`",
        "No temporary file is left behind, not `['tmp",
        "The vendor's states mean `CANCELLED: CANCELLED`, not `CANCELLED: FAILED`",
    ],
)
def test_failure_names_the_promise(promise: str, reports: dict[ModuleType, str]) -> None:
    assert f"AssertionError: {promise}" in reports[broken_jobservice]
