"""Job handlers that tell a wrong usage, or estimate with an effect: every class must fail in the suite.

Not collected by name; `test_contract_catches.py` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from broken_kit import BrokenKit
from hardpoint_jobservice import TokenHandler
from hardpoint_jobservice_conformance import JobServiceContract

from hardpoint.plugin_api import Context, CreateRequest, Estimate, JobRef, Phase, Status, TaskType


class Broken(BrokenKit, JobServiceContract):
    """Of the kind whose service takes tokens."""


class TestDividesByZero(Broken):
    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            return {
                job: msgspec.structs.replace(each, usage={"cost_usd": float("inf")})
                for job, each in super().poll_many(context, jobs).items()
            }


class TestTellsWhatItDoesNotDeclare(Broken):
    broken = TokenHandler

    def task_type(self) -> TaskType:
        return msgspec.structs.replace(super().task_type(), capabilities=())


class TestTellsOfSuccessAlone(Broken):
    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            return {
                job: each if each.phase is Phase.SUCCEEDED else msgspec.structs.replace(each, usage={})
                for job, each in super().poll_many(context, jobs).items()
            }


class TestEstimatesByTrying(Broken):
    class broken(TokenHandler):
        def estimate(self, context: Context, request: CreateRequest) -> Estimate:
            self.cancel(context, self.create(context, request), "only an estimate")
            return super().estimate(context, request)


class TestEstimatesTheSecret(Broken):
    class broken(TokenHandler):
        def estimate(self, context: Context, request: CreateRequest) -> Estimate:
            made = super().estimate(context, request)
            text = f"{made.text}, as {context.secret('JOBSERVICE_TOKEN')}"
            return msgspec.structs.replace(made, text=text)


class TestUsageIsRight(Broken):
    """The control."""

    broken = TokenHandler
