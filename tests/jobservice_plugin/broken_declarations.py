"""Task types and `prepare` that each break one promise: every class here must fail in the suite.

Not collected by name; `test_contract_catches.py` runs it.
"""

from __future__ import annotations

import msgspec
from broken_kit import BrokenKit
from hardpoint_jobservice import PushHandler, TokenHandler
from hardpoint_jobservice_conformance import JobServiceContract
from hardpoint_jobservice_handlers import JobConfig

from hardpoint.plugin_api import Context, CreateRequest, Prepared, ResourceClaim, Shape, TaskType


class Broken(BrokenKit, JobServiceContract):
    """Of any kind of idempotency."""

    broken = TokenHandler


class TestDeclaresAnotherShape(Broken):
    def task_type(self) -> TaskType:
        return msgspec.structs.replace(super().task_type(), shape=Shape.ARRAY)


class TestLacksAVerb(Broken):
    class broken(TokenHandler):
        prepare = None  # type: ignore[assignment]

    def task_type(self) -> TaskType:
        return msgspec.structs.replace(super().task_type(), claims=())


class TestHidesItsStream(Broken):
    broken = PushHandler


class Odd:
    """A class that no schema can describe."""


class TestHasNoSchema(Broken):
    def task_type(self) -> TaskType:
        class OddConfig(JobConfig, frozen=True, forbid_unknown_fields=True):
            odd: Odd | None = None

        return msgspec.structs.replace(super().task_type(), config=OddConfig)


class TestChangesItsConfig(Broken):
    def task_type(self) -> TaskType:
        class GrowingConfig(JobConfig, frozen=True, forbid_unknown_fields=True):
            def __post_init__(self) -> None:
                msgspec.structs.force_setattr(self, "url", f"{self.url}/")

        return msgspec.structs.replace(super().task_type(), config=GrowingConfig)


class TestClaimsFromAnothersPool(Broken):
    class broken(TokenHandler):
        def prepare(self, context: Context, request: CreateRequest) -> Prepared:
            return Prepared(super().prepare(context, request).account, (ResourceClaim("athena:default", 1),))


class TestPreparesAnotherAccount(Broken):
    class broken(TokenHandler):
        def prepare(self, context: Context, request: CreateRequest) -> Prepared:
            return Prepared("elsewhere", super().prepare(context, request).claims)


class TestStartsWhenItPrepares(Broken):
    class broken(TokenHandler):
        def prepare(self, context: Context, request: CreateRequest) -> Prepared:
            self.create(context, request)
            return super().prepare(context, request)


class TestDeclarationIsRight(Broken):
    """The control."""
