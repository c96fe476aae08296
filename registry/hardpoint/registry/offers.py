"""What plugins offer by name besides task types, and what is loaded only when somebody asks for that name."""

from __future__ import annotations

from hardpoint.plugin_api import CliCommand, Importer
from hardpoint.registry import explain
from hardpoint.registry.declared import Declared
from hardpoint.registry.discovery import FoundEntryPoint, Kind
from hardpoint.registry.errors import DuplicateOfferError, PluginQuarantinedError
from hardpoint.registry.plugin import LoadedPlugin
from hardpoint.registry.quarantine import Quarantine, Stage
from hardpoint.registry.resolve import Resolver


def offered_command(resolver: Resolver, name: str) -> Declared[CliCommand] | None:
    """The command of that name; None if no plugin has it.

    Raises:
        HardpointError: The plugin that has it cannot be used, or there are several.
    """
    found = _only_claim(resolver, Kind.COMMAND, name)
    if found is None:
        return None
    entry, plugin = found
    for command in plugin.declared.cli_commands:
        if command.name == name:
            return Declared(plugin.name, command)
    raise _not_declared(entry, "command")


def offered_importer(resolver: Resolver, file: str) -> Declared[Importer] | None:
    """Who reads files of that name, by the longest suffix that fits it; None if no plugin does.

    Raises:
        HardpointError: The plugin that does cannot be used, or there are several.
    """
    entries = [entry for slot in resolver.slots for entry in slot.entries]
    entries += [each.entry for each in resolver.denied]
    suffixes = {entry.name for entry in entries if entry.kind is Kind.IMPORTER}
    suffix = max((each for each in suffixes if file.endswith(each)), key=len, default="")
    found = _only_claim(resolver, Kind.IMPORTER, suffix)
    if found is None:
        return None
    entry, plugin = found
    for importer in plugin.declared.importers:
        if suffix in importer.suffixes:
            return Declared(plugin.name, importer)
    raise _not_declared(entry, "importer for")


def _only_claim(resolver: Resolver, kind: Kind, name: str) -> tuple[FoundEntryPoint, LoadedPlugin] | None:
    """Who claims a name, loaded now."""
    claims = [
        (entry, slot)
        for slot in resolver.slots
        for entry in slot.entries
        if entry.kind is kind and entry.name == name
    ]
    match claims:
        case []:
            for each in resolver.denied:
                if each.entry.kind is kind and each.entry.name == name:
                    raise explain.denied(each)
            return None
        case [(entry, slot)]:
            if not slot.is_compatible:
                raise explain.incompatible(entry)
            outcome = slot.load()
            if isinstance(outcome, Quarantine):
                raise explain.quarantined(name, str(entry), entry.distribution, outcome)
            return entry, outcome
        case several:
            shown = " and ".join(f"{entry} (`{entry.target}`)" for entry, _ in several)
            raise DuplicateOfferError(
                f"The {kind.name.lower()} `{name}` is claimed by {len(several)} installed plugins: {shown}",
                hint=f"Keep one of them, for example with `pip uninstall {several[-1][0].distribution}`",
            )


def _not_declared(entry: FoundEntryPoint, what: str) -> PluginQuarantinedError:
    why = Quarantine(Stage.CONTRACT, f"its entry point says so, but it declares no {what} `{entry.name}`")
    return explain.quarantined(entry.name, str(entry), entry.distribution, why)
