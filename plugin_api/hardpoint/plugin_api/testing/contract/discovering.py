"""What holds for every shape: what the declaration says, and that finding out costs no SDK."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, ClassVar

import msgspec
import pytest

from hardpoint.plugin_api.declare import ENTRY_POINT_GROUP, TaskType

DISCOVERY_WITHIN_S = 30.0
DECLARING_HOOKS = (
    "task_types",
    "resource_pools",
    "rate_limits",
    "literal_types",
    "event_sinks",
    "secret_sources",
    "log_links",
    "cli_commands",
    "importers",
)
_DISCOVERY = """
import importlib, json, operator, sys
module, _, attribute = sys.argv[1].partition(":")
plugin = operator.attrgetter(attribute)(importlib.import_module(module))
for name in sys.argv[2].split(","):
    hook = getattr(plugin, name, None)
    if hook is not None:
        list(hook())
wanted = sys.argv[3].split(",")
print(json.dumps([each for each in wanted if each in sys.modules]))
"""


def expect(kept: bool, promise: str) -> None:
    """Fail with the promise that was not kept."""
    if not kept:
        raise AssertionError(promise)


class DiscoveringContract:
    """What a subclass of every contract provides.

    Attributes:
        secrets: Values by name for the context. The suite looks for the values in everything returned.
        vendor_modules: Modules of the vendor's SDK, which nothing but a handler's factory may import.
        plugin_object: Where the plugin object is, `module:attribute`; by default what its entry point says.
    """

    secrets: ClassVar[Mapping[str, str]] = {}
    vendor_modules: ClassVar[Sequence[str]] = ()
    plugin_object: ClassVar[str] = ""

    def task_type(self) -> TaskType:
        """The task type on trial."""
        raise NotImplementedError

    @pytest.fixture
    def example_config(self) -> dict[str, Any]:
        """The config of the request on trial."""
        raise NotImplementedError

    def test_config_survives_a_round_trip(self, example_config: dict[str, Any]) -> None:
        """What the journal keeps of a config makes the same config again."""
        declared = self.task_type()
        typed = declared.check_config(example_config)
        stored = json.loads(json.dumps(msgspec.to_builtins(typed)))
        expect(declared.check_config(stored) == typed, f"The config survives JSON: `{stored}`")

    def test_config_refuses_unknown_fields(self, example_config: dict[str, Any]) -> None:
        """A misspelt field is an error, not ignored."""
        declared = self.task_type()
        try:
            declared.check_config({**example_config, "no_such_field": 1})
        except msgspec.ValidationError:
            return
        raise AssertionError(f"The config `{declared.config.__name__}` has `forbid_unknown_fields=True`")

    def test_config_has_a_schema(self) -> None:
        """Listings, checks and editors read it instead of the plugin."""
        config = self.task_type().config
        try:
            msgspec.json.encode(msgspec.json.schema(config))
        except TypeError as error:
            raise AssertionError(f"The config `{config.__name__}` has a JSON Schema: {error}") from error

    def test_discovery_imports_no_sdk(self) -> None:
        """Every command that lists plugins would pay for it, and fail with it."""
        if not self.vendor_modules:
            pytest.skip("No `vendor_modules` are named, so there is nothing to look for")
        done = subprocess.run(
            [
                *(sys.executable, "-c", _DISCOVERY, self._plugin_object()),
                *(",".join(each) for each in (DECLARING_HOOKS, self.vendor_modules)),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            timeout=DISCOVERY_WITHIN_S,
            check=False,
        )
        last = done.stderr.strip().rpartition("\n")[2]
        expect(done.returncode == 0, f"The plugin object can be imported in a process of its own: {last}")
        imported = json.loads(done.stdout.splitlines()[-1])
        expect(not imported, f"Nothing of the SDK is imported before a handler is made, not `{imported}`")

    def _plugin_object(self) -> str:
        name = self.task_type().name
        if self.plugin_object:
            return self.plugin_object
        for entry_point in entry_points(group=ENTRY_POINT_GROUP, name=name):
            return entry_point.value
        raise AssertionError(f"An entry point of the group `{ENTRY_POINT_GROUP}` is named `{name}`")
