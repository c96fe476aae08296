"""What a plain job leaves: an error that says whose it is, or outputs that fit."""

from __future__ import annotations

from hardpoint.plugin_api.context import Outputs
from hardpoint.plugin_api.handler import JobRef
from hardpoint.plugin_api.interface import Interface
from hardpoint.plugin_api.literal_rules import problem
from hardpoint.plugin_api.phase import Phase, Status
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect


class ResultsContract(ContractPart[SwitchT]):
    """The end of a job."""

    def test_failure_is_seen_with_its_error(self, trial: Trial[SwitchT]) -> None:
        """Without the error the executor cannot tell whose retries to use."""
        job = trial.create()
        trial.service.finish(job.id, Phase.FAILED)
        status = _status(trial, job)
        expect(status.phase is Phase.FAILED, f"A job that failed is `FAILED`, not `{status.phase}`")
        expect(status.error is not None, "A status `FAILED` says in `error` what failed")

    def test_outputs_fit_the_interface(self, trial: Trial[SwitchT]) -> None:
        """Every name, every type, and the same from another process."""
        job = trial.create()
        trial.service.finish(job.id)
        [found] = trial.outputs(job).values()
        expect_outputs(trial.request().spec.interface, found)
        [again] = trial.restarted().outputs(job).values()
        expect(again == found, f"Outputs read again are the same: `{found}`, `{again}`")

    def test_outputs_that_come_with_the_status_are_the_outputs(self, trial: Trial[SwitchT]) -> None:
        """Then `outputs` is never called for a job that was just seen to succeed."""
        job = trial.create()
        early = trial.poll(job).get(job.id)
        expect(
            not isinstance(early, Status) or early.outputs is None, "Only a job that succeeded has outputs"
        )
        trial.service.finish(job.id)
        told = _status(trial, job).outputs
        if told is not None:
            [found] = trial.outputs(job).values()
            expect(told == found, f"A status tells what `outputs` returns: `{found}`, not `{told}`")


def expect_outputs(interface: Interface, found: Outputs, of: str = "") -> None:
    """Fail unless these are the outputs that the interface promises."""
    variables = {variable.name: variable for variable in interface.outputs}
    expect(set(found) == set(variables), f"The outputs{of} are `{sorted(variables)}`, not `{sorted(found)}`")
    for name, wire in found.items():
        misfit = problem(variables[name].type, wire)
        expect(misfit is None, f"The output `{name}`{of} fits its type: {misfit}")


def _status(trial: Trial[SwitchT], job: JobRef) -> Status:
    status = trial.poll(job)[job.id]
    assert isinstance(status, Status), f"`poll_many` answers with `Status`, not `{type(status).__name__}`"
    return status
