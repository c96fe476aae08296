"""Commands that plugins bring: `hardpoint NAME ARGUMENTS...`, loaded when they are called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from hardpoint.executor.cli.exit_codes import DEBUG, DONE, FAILED
from hardpoint.executor.cli.installed_groups import may_have

if TYPE_CHECKING:
    from hardpoint.registry import InstalledPlugin

GROUP = "hardpoint.commands"


class WithPluginCommands(TyperGroup):
    """hardpoint's own commands, and those of plugins under names that are none of its own."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """See `TyperGroup`."""
        if cmd_name not in self.commands:
            self._add_those_of_plugins()
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """See `TyperGroup`."""
        self._add_those_of_plugins()
        return super().list_commands(ctx)

    def _add_those_of_plugins(self) -> None:
        if not may_have(GROUP, sys.path):
            return
        # Imported here: `--help` and misspelt names are answered without a registry where it has nothing.
        from hardpoint.executor.cli.plugins import the_registry
        from hardpoint.registry import PluginState

        for each in the_registry().installed():
            if each.kind == "command":
                denied = each.state is PluginState.DENIED
                self.commands.setdefault(each.name, PluginCommand(each.name, help=_doc(each), hidden=denied))


def _doc(row: InstalledPlugin) -> str:
    """What its manifest says of it; without one, whose it is."""
    from hardpoint.registry.manifest_files import read_manifest

    manifest = None if row.entry is None else read_manifest(row.entry).manifest
    commands = () if manifest is None else manifest.commands
    said = next((each.doc for each in commands if each.name == row.name), "")
    return said or f"Of `{row.distribution}` {row.version}."


class PluginCommand(TyperCommand):
    """Stands for a command of a plugin that is not imported yet; its words are the plugin's to read."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Leave every word as it is, `--help` too."""
        ctx.args = list(args)
        return []

    def invoke(self, ctx: Any) -> int:
        """Import the plugin and run its command."""
        return run_plugin_command(str(self.name), ctx.args)


def run_plugin_command(name: str, arguments: Sequence[str]) -> int:
    """Run a command of a plugin.

    Args:
        name: Of the command; a plugin has an entry point for it.
        arguments: Those behind the name.

    Returns:
        The exit code.

    Raises:
        HardpointError: The plugin cannot be used, or its command refuses its arguments.
    """
    from hardpoint.executor.cli.plugins import the_registry
    from hardpoint.plugin_api import HardpointError

    found = the_registry().cli_command(name)
    assert found is not None, "it was found in the metadata a moment ago"
    try:
        code: object = found.item.run(list(arguments))
    except HardpointError:
        raise
    except Exception as error:
        return _failed(name, found.plugin.partition("/")[0], error, as_json="--json" in arguments)
    return code if isinstance(code, int) else DONE


def _failed(name: str, distribution: str, error: Exception, *, as_json: bool) -> int:
    from hardpoint.executor.cli.failures import print_failures

    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(error)
    told = {
        "code": type(error).__name__,
        "message": f"Command `{name}` of plugin `{distribution}` raised {type(error).__name__}: {error}",
        "hint": f"This is a fault of the plugin: report it to its author with what `{DEBUG}=1` prints",
    }
    print_failures([told], as_json=as_json)
    return FAILED
