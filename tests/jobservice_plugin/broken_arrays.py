"""Array handlers that each break one promise: every class here must fail in the suite.

Not collected by name; `test_contract_catches.py` runs it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from broken_kit import BrokenKit
from hardpoint_jobservice import ArrayHandler
from hardpoint_jobservice_conformance import ArrayKit

from hardpoint.plugin_api import (
    ArrayStatus,
    Context,
    CreateRequest,
    Inputs,
    ItemStates,
    JobRef,
    Outputs,
    Phase,
    UserError,
)

ItemOutputs = Mapping[int, Outputs]


class BrokenArray(BrokenKit, ArrayKit):
    """Puts a broken handler in the place of the right one."""


class TestIgnoresTheToken(BrokenArray):
    class broken(ArrayHandler):
        def create_array(self, context: Context, request: CreateRequest, items: Sequence[Inputs]) -> JobRef:
            other = msgspec.structs.replace(request, token=uuid.uuid4().hex)
            return super().create_array(context, other, items)


class TestRefusesOneItem(BrokenArray):
    class broken(ArrayHandler):
        def create_array(self, context: Context, request: CreateRequest, items: Sequence[Inputs]) -> JobRef:
            if len(items) == 1:
                raise UserError("An array has two items at least")
            return super().create_array(context, request, items)


class TestForgetsTheLastState(BrokenArray):
    class broken(ArrayHandler):
        def poll_arrays(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, ArrayStatus]:
            return {
                job: msgspec.structs.replace(each, items=ItemStates(each.items.letters[:-1]))
                for job, each in super().poll_arrays(context, jobs).items()
            }


class TestTellsOneStateOfAll(BrokenArray):
    class broken(ArrayHandler):
        def poll_arrays(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, ArrayStatus]:
            return {
                job: msgspec.structs.replace(each, items=ItemStates(letters[:1] * len(letters)))
                for job, each in super().poll_arrays(context, jobs).items()
                if (letters := each.items.letters) is not None
            }


class TestEndsWithItsFirstItem(BrokenArray):
    class broken(ArrayHandler):
        def poll_arrays(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, ArrayStatus]:
            return {
                job: msgspec.structs.replace(
                    each, phase=Phase.SUCCEEDED if "S" in each.items.letters else each.phase
                )
                for job, each in super().poll_arrays(context, jobs).items()
            }


class TestTellsNoErrors(BrokenArray):
    class broken(ArrayHandler):
        def poll_arrays(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, ArrayStatus]:
            statuses = super().poll_arrays(context, jobs)
            return {job: msgspec.structs.replace(each, errors={}) for job, each in statuses.items()}


class TestReadsOutputsOneByOne(BrokenArray):
    class broken(ArrayHandler):
        def item_outputs(
            self, context: Context, job: JobRef, indices: Iterable[int]
        ) -> Mapping[int, Outputs]:
            found: dict[int, Outputs] = {}
            for index in indices:
                found.update(super().item_outputs(context, job, [index]))
            return found


class TestShiftsOutputs(BrokenArray):
    class broken(ArrayHandler):
        def item_outputs(
            self, context: Context, job: JobRef, indices: Iterable[int]
        ) -> Mapping[int, Outputs]:
            found = super().item_outputs(context, job, indices)
            return {index + 1: outputs for index, outputs in found.items()}


class TestNeverCancels(BrokenArray):
    class broken(ArrayHandler):
        def cancel(self, context: Context, job: JobRef, reason: str) -> None:
            """Nothing."""


class TestArrayIsRight(BrokenArray):
    """The control."""

    broken = ArrayHandler
