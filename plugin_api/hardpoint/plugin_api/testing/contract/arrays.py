"""Arrays: N items in one create, with a state each; else as a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import pytest

from hardpoint.plugin_api.context import Inputs, Outputs
from hardpoint.plugin_api.handler import ArrayHandler, JobRef, Shape
from hardpoint.plugin_api.phase import ArrayStatus, Phase
from hardpoint.plugin_api.testing.contract.calling import raised
from hardpoint.plugin_api.testing.contract.cancelling import CancellingContract
from hardpoint.plugin_api.testing.contract.crashing import CrashingContract
from hardpoint.plugin_api.testing.contract.creating import CreatingContract
from hardpoint.plugin_api.testing.contract.declaring import DeclaringContract
from hardpoint.plugin_api.testing.contract.failing import FailingContract
from hardpoint.plugin_api.testing.contract.leaking import LeakingContract
from hardpoint.plugin_api.testing.contract.mapping import MappingContract
from hardpoint.plugin_api.testing.contract.polling import PollingContract
from hardpoint.plugin_api.testing.contract.repeating import RepeatingContract
from hardpoint.plugin_api.testing.contract.results import expect_outputs
from hardpoint.plugin_api.testing.contract.secrecy import SecrecyContract
from hardpoint.plugin_api.testing.contract.switch import SwitchT, ability
from hardpoint.plugin_api.testing.contract.trial import ContractPart, Trial, expect
from hardpoint.plugin_api.testing.contract.using import UsageContract

ITEMS = 5
LETTERS = "QRSFC"


class ArrayTrial(Trial[SwitchT]):
    """A trial whose jobs are arrays."""

    items = ITEMS

    @property
    def array_handler(self) -> ArrayHandler:
        """The handler, with the verbs that only arrays have."""
        return cast(ArrayHandler, self.handler)

    def create(self, token: str = "") -> JobRef:
        """Create an array of `items` once."""
        contract = cast("ItemsContract[SwitchT]", self.contract)
        work = [contract.item(index) for index in range(self.items)]
        return self.array_handler.create_array(self.context, self.request(token), work)

    def poll(self, *jobs: JobRef) -> Mapping[str, ArrayStatus]:
        """Poll once."""
        return self.array_handler.poll_arrays(self.context, jobs)

    def outputs(self, job: JobRef) -> Mapping[Any, Outputs]:
        """Outputs of all items."""
        return self.array_handler.item_outputs(self.context, job, range(self.items))

    def restarted(self) -> ArrayTrial[SwitchT]:
        """See `Trial`."""
        other = cast("ArrayTrial[SwitchT]", super().restarted())
        other.items = self.items
        return other


class ItemsContract(ContractPart[SwitchT]):
    """What arrays have and jobs have not. The switch's jobs are arrays; `finish` ends all items of one."""

    trial_class: ClassVar[type[Trial[Any]]] = ArrayTrial
    shape: ClassVar[Shape] = Shape.ARRAY

    def item(self, index: int) -> Inputs:
        """What item `index` is given: wire values by input name, the same each time."""
        raise NotImplementedError

    @pytest.fixture
    def array(self, trial: Trial[SwitchT]) -> ArrayTrial[SwitchT]:
        """The handler under test."""
        assert isinstance(trial, ArrayTrial)
        trial.items = max(trial.type.items_min, min(ITEMS, trial.type.items_max))
        return trial

    @pytest.mark.parametrize("size", ["one", "some", "items_max"])
    def test_every_size_has_a_state_for_each_item(self, array: ArrayTrial[SwitchT], size: str) -> None:
        """One item too, however many the service wants at least; and as many as declared."""
        array.items = {"one": 1, "some": array.items, "items_max": array.type.items_max}[size]
        job = array.create()
        letters = array.poll(job)[job.id].items.letters
        expect(
            len(letters) == array.items, f"`{array.items}` items have as many states, not `{len(letters)}`"
        )
        array.service.finish(job.id)
        status = array.poll(job)[job.id]
        wanted = "S" * array.items
        expect(status.items.letters == wanted, f"All items are `S`, not `{status.items.letters[:50]}`")
        expect(status.phase is Phase.SUCCEEDED, f"An array of `S` only is `SUCCEEDED`, not `{status.phase}`")
        found = array.outputs(job)
        expect(len(found) == array.items, f"All `{array.items}` items have outputs, not `{len(found)}`")

    def test_items_have_states_of_their_own(self, array: ArrayTrial[SwitchT]) -> None:
        """By their index, and with an error for each one that failed."""
        finish_item = ability(array.service, "finish_item")
        job = array.create()
        finish_item(job.id, 0)
        finish_item(job.id, 1, Phase.FAILED)
        status = array.poll(job)[job.id]
        letters = status.items.letters
        expect(set(letters) <= set(LETTERS), f"States are letters of `{LETTERS}`: `{letters}`")
        expect(letters[:2] == "SF", f"Item 0 is `S` and item 1 is `F`: `{letters}`")
        expect(set(letters[2:]) <= set("QR"), f"The other items go on: `{letters}`")
        expect(not status.phase.terminal, f"An array with items under way is no `{status.phase}`")
        expect(set(status.errors) == {1}, f"`errors` says why item 1 failed: `{sorted(status.errors)}`")

    def test_outputs_are_of_the_items_asked_for(self, array: ArrayTrial[SwitchT]) -> None:
        """Typed, by index, and the same from another process."""
        job = array.create()
        array.service.finish(job.id)
        wanted = [0, array.items - 1]
        found = array.array_handler.item_outputs(array.context, job, wanted)
        expect(sorted(found) == sorted(set(wanted)), f"The outputs are of `{wanted}`, not `{sorted(found)}`")
        for index, outputs in found.items():
            expect_outputs(array.request().spec.interface, outputs, f" of item {index}")
        later = array.restarted()
        again = later.array_handler.item_outputs(later.context, job, wanted)
        expect(again == found, f"Outputs read again are the same: `{found}`, `{again}`")

    def test_outputs_of_many_items_take_few_calls(self, array: ArrayTrial[SwitchT]) -> None:
        """Far fewer than there are items."""
        array.items = min(self.batch_jobs, array.type.items_max)
        job = array.create()
        array.service.finish(job.id)
        before = array.context.calls.total
        array.outputs(job)
        calls, most = array.context.calls.total - before, max(1, array.items // 10)
        expect(calls <= most, f"Outputs of `{array.items}` items take at most `{most}` calls, not `{calls}`")

    def test_cancel_ends_the_items_that_have_not_ended(self, array: ArrayTrial[SwitchT]) -> None:
        """And leaves the results of the others."""
        finish_item = ability(array.service, "finish_item")
        job = array.create()
        finish_item(job.id, 0)
        error = raised(lambda: array.cancel(job))
        expect(error is None, f"`cancel` raises nothing here, not `{error!r}`")
        status = array.poll(job)[job.id]
        wanted = "S" + "C" * (array.items - 1)
        expect(status.items.letters == wanted, f"Items are `{wanted}`, not `{status.items.letters}`")
        expect(status.phase.terminal, f"An array that was cancelled has ended, and is not `{status.phase}`")


class ArrayContract(
    DeclaringContract[SwitchT],
    CreatingContract[SwitchT],
    CrashingContract[SwitchT],
    RepeatingContract[SwitchT],
    PollingContract[SwitchT],
    MappingContract[SwitchT],
    CancellingContract[SwitchT],
    FailingContract[SwitchT],
    SecrecyContract[SwitchT],
    LeakingContract[SwitchT],
    UsageContract[SwitchT],
    ItemsContract[SwitchT],
):
    """The whole suite for an array-shaped task type."""

    trial_class = ArrayTrial
    shape = Shape.ARRAY
