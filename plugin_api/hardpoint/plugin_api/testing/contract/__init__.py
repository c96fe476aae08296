"""What the executor relies on, as a test suite that a plugin's author subclasses.

    class TestWarehouse(HandlerContract[WarehouseSwitch]):
        secrets = {"WAREHOUSE_TOKEN": "a-value-to-look-for"}

        def task_type(self):
            return next(iter(plugin.task_types()))

        def request(self, service, token):
            return fake_request(SPEC, {"value": 7}, token=token)

        @pytest.fixture
        def service(self):
            with FakeWarehouse() as warehouse:
                yield WarehouseSwitch(warehouse)

The switch steers a fake of the service: see `FaultSwitch`. What is asked of `create` follows from the
`Idempotency` that the task type declares. A failure names the promise that was broken.
"""

from hardpoint.plugin_api.testing.contract.cancelling import CancellingContract
from hardpoint.plugin_api.testing.contract.creating import CreatingContract
from hardpoint.plugin_api.testing.contract.declaring import DeclaringContract
from hardpoint.plugin_api.testing.contract.failing import FailingContract
from hardpoint.plugin_api.testing.contract.polling import PollingContract
from hardpoint.plugin_api.testing.contract.secrecy import SecrecyContract
from hardpoint.plugin_api.testing.contract.trial import FaultSwitch, SwitchT, Trial

__all__ = ["FaultSwitch", "HandlerContract", "Trial"]


class HandlerContract(
    DeclaringContract[SwitchT],
    CreatingContract[SwitchT],
    PollingContract[SwitchT],
    CancellingContract[SwitchT],
    FailingContract[SwitchT],
    SecrecyContract[SwitchT],
):
    """The whole suite for a job-shaped task type; subclass it in a test module."""
