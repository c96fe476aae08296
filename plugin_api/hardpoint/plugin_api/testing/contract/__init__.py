"""What the executor relies on, as test suites that a plugin's author subclasses: one class for each shape.

    HandlerContract    jobs of an external service
    PushContract       the same, of a service that tells of changes by itself
    ArrayContract      many items in one job
    FunctionContract   what runs in a worker process

A kit is a subclass that says what is on trial, and how a fake of the service is steered:

    class WarehouseKit(HandlerContract[WarehouseSwitch]):
        secrets = {"WAREHOUSE_TOKEN": "a-value-to-look-for"}
        vendor_modules = ("warehouse_sdk",)
        vendor_states = {"PENDING": Phase.QUEUED, "DONE": Phase.SUCCEEDED}

        def task_type(self):
            return next(iter(plugin.task_types()))

        def request(self, service, token):
            return fake_request(SPEC, {"value": 7}, token=token)

        @pytest.fixture
        def service(self):
            with FakeWarehouse() as warehouse:
                yield WarehouseSwitch(warehouse)

The switch steers a fake of the service: see `FaultSwitch`. What is asked of `create` follows from the
`Idempotency` that the task type declares. A failure names the promise that was broken, and a case that does
not apply is skipped with its reason.

An entry point in the group `hardpoint.conformance`, named like the task type, leads `hardpoint plugins check`
to the kit: `warehouse = "hardpoint_warehouse.conformance:WarehouseKit"`.
"""

from hardpoint.plugin_api.testing.contract.arrays import ArrayContract
from hardpoint.plugin_api.testing.contract.cancelling import CancellingContract
from hardpoint.plugin_api.testing.contract.crashing import CrashingContract
from hardpoint.plugin_api.testing.contract.creating import CreatingContract
from hardpoint.plugin_api.testing.contract.declaring import DeclaringContract
from hardpoint.plugin_api.testing.contract.failing import FailingContract
from hardpoint.plugin_api.testing.contract.functions import FunctionContract
from hardpoint.plugin_api.testing.contract.leaking import LeakingContract
from hardpoint.plugin_api.testing.contract.mapping import MappingContract
from hardpoint.plugin_api.testing.contract.polling import PollingContract
from hardpoint.plugin_api.testing.contract.pushing import StreamContract
from hardpoint.plugin_api.testing.contract.repeating import RepeatingContract
from hardpoint.plugin_api.testing.contract.results import ResultsContract
from hardpoint.plugin_api.testing.contract.secrecy import SecrecyContract
from hardpoint.plugin_api.testing.contract.switch import (
    CanFinishItems,
    CanRepeat,
    CanShow,
    CanStall,
    FaultSwitch,
    SwitchT,
)
from hardpoint.plugin_api.testing.contract.trial import Trial
from hardpoint.plugin_api.testing.contract.using import EstimatingContract, UsageContract

__all__ = [
    "ArrayContract",
    "CanFinishItems",
    "CanRepeat",
    "CanShow",
    "CanStall",
    "FaultSwitch",
    "FunctionContract",
    "HandlerContract",
    "PushContract",
    "Trial",
]


class HandlerContract(
    DeclaringContract[SwitchT],
    CreatingContract[SwitchT],
    CrashingContract[SwitchT],
    RepeatingContract[SwitchT],
    PollingContract[SwitchT],
    MappingContract[SwitchT],
    ResultsContract[SwitchT],
    CancellingContract[SwitchT],
    FailingContract[SwitchT],
    SecrecyContract[SwitchT],
    LeakingContract[SwitchT],
    UsageContract[SwitchT],
    EstimatingContract[SwitchT],
):
    """The whole suite for a job-shaped task type; subclass it in a test module."""


class PushContract(HandlerContract[SwitchT], StreamContract[SwitchT]):
    """The whole suite for a job-shaped task type whose handler has `watch`."""

    pushes = True
