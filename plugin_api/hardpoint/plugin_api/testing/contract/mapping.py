"""The vendor's states: every documented one has its phase, and one that nobody knew yet ends no job."""

from __future__ import annotations

import pytest

from hardpoint.plugin_api.phase import Phase
from hardpoint.plugin_api.testing.contract.trial import (
    AnyStatus,
    ContractPart,
    SwitchT,
    Trial,
    expect,
)

UNKNOWN_STATE = "A_STATE_OF_NEXT_YEAR"


class MappingContract(ContractPart[SwitchT]):
    """From the vendor's word to a status."""

    def status_of(self, state: str) -> AnyStatus:
        """The plugin's pure function from the vendor's word to a status; or else give the switch `show`."""
        raise NotImplementedError

    def test_every_documented_state_is_mapped(self, trial: Trial[SwitchT]) -> None:
        """By a table that somebody compared with the vendor's documentation."""
        if not self.vendor_states:
            pytest.skip("No `vendor_states` are given, so there is nothing to compare with")
        found = {state: self._said(trial, state).phase for state in self.vendor_states}
        wrong = {state: phase for state, phase in found.items() if phase is not self.vendor_states[state]}
        wanted = {state: self.vendor_states[state] for state in wrong}
        expect(not wrong, f"The vendor's states mean `{_words(wanted)}`, not `{_words(wrong)}`")

    def test_unknown_state_is_running_and_named(self, trial: Trial[SwitchT]) -> None:
        """A service gains states. The job goes on, and whoever waits for it reads the word."""
        status = self._said(trial, UNKNOWN_STATE)
        expect(status.phase is Phase.RUNNING, f"An unknown state is `RUNNING`, not `{status.phase.value}`")
        expect(UNKNOWN_STATE in status.reason, f"An unknown state is named in `reason`: `{status.reason}`")

    def _said(self, trial: Trial[SwitchT], state: str) -> AnyStatus:
        if type(self).status_of is not MappingContract.status_of:
            return self.status_of(state)
        show = getattr(trial.service, "show", None)
        if show is None:
            pytest.skip("There is neither `status_of` nor a switch with `show`")
        job = trial.another().create()
        show(job.id, state)
        return trial.poll(job)[job.id]


def _words(states: dict[str, Phase]) -> str:
    return ", ".join(f"{state}: {phase.value}" for state, phase in states.items())
