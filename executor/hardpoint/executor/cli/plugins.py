"""`hardpoint plugins`: what is installed, and what one task type promises."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from hardpoint.executor.builtin import python_plugin
from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.output import say, say_json, table
from hardpoint.executor.cli.wording import duration
from hardpoint.plugin_api import Shape, TaskType
from hardpoint.registry import InstalledPlugin, PluginQuarantinedError, Registry, load_registry

BUILT_IN = "built in"


def the_registry() -> Registry:
    """What an executor would find."""
    return load_registry({"python": python_plugin})


def print_plugins(*, as_json: bool) -> int:
    """Print one row for each task type and extension; imports no plugin."""
    found = the_registry().installed()
    if as_json:
        say_json([_row_json(each) for each in found])
        return DONE
    table(
        ["NAME", "KIND", "DISTRIBUTION", "API", "STATE"],
        [[each.name, each.kind, _distribution(each), each.api, each.state.value] for each in found],
    )
    for each in found:
        if each.problem:
            say("", f"{each.name}: {each.problem}", *([each.traceback.rstrip()] if each.traceback else []))
    return DONE


def _row_json(each: InstalledPlugin) -> dict[str, Any]:
    return {name: msgspec.to_builtins(getattr(each, name)) for name in each.__struct_fields__}


def _distribution(each: InstalledPlugin) -> str:
    return f"{each.distribution} {each.version}" if each.distribution else BUILT_IN


def print_plugin(name: str, *, as_json: bool) -> int:
    """Load one task type and print what it declares.

    Raises:
        HardpointError: It is not there, or its plugin cannot be used.
    """
    registry = the_registry()
    declared = _task_type(registry, name, as_json=as_json)
    installed = next(each for each in registry.installed() if each.name == name and not each.problem)
    schema = msgspec.json.schema(declared.config)
    pools = [each for each in registry.pools() if each.name.partition(":")[0] == name]
    rates = [each for each in registry.rates() if each.name.partition(":")[0] == name]
    if as_json:
        say_json(
            {
                **_row_json(installed),
                **_declared_json(declared),
                "config": schema,
                "pools": pools,
                "rates": rates,
            }
        )
        return DONE
    say(f"{name}: {declared.doc}" if declared.doc else name, "")
    rows = [
        ("Distribution", _distribution(installed)),
        ("Plugin API", installed.api),
        ("Shape", declared.shape.value),
    ]
    rows += _promises(declared)
    rows += [("Pool", f"{each.name}, {each.capacity} {each.unit}") for each in pools]
    rows += [
        ("Rate limit", f"{each.name}, {each.reads_per_s:g} reads/s, {each.writes_per_s:g} writes/s")
        for each in rates
    ]
    say(*(f"{title:<14}{text}" for title, text in rows if text))
    say("", "Config", *(_config_lines(schema) or ["  none"]))
    return DONE


def _task_type(registry: Registry, name: str, *, as_json: bool) -> TaskType:
    try:
        return registry.task_type(name)
    except PluginQuarantinedError as error:
        if not as_json and error.quarantine.traceback:
            say(error.quarantine.traceback.rstrip(), "", to=sys.stderr)
        raise


def _declared_json(declared: TaskType) -> dict[str, Any]:
    return {
        "doc": declared.doc,
        "shape": declared.shape.value,
        "idempotency": declared.idempotency.value,
        "settling_delay_s": declared.settling_delay_s,
        "secrets": list(declared.secrets),
    }


def _promises(declared: TaskType) -> list[tuple[str, str]]:
    secrets = ("Secrets", ", ".join(declared.secrets))
    if declared.shape is Shape.FUNCTION:
        return [("Promise", "each attempt runs at least once, in a worker process"), secrets]
    settling = f", settling {duration(declared.settling_delay_s)}" if declared.settling_delay_s else ""
    return [("Idempotency", declared.idempotency.value + settling), secrets]


def _config_lines(schema: dict[str, Any]) -> list[str]:
    definitions = schema.get("$defs", {})
    own = definitions.get(str(schema.get("$ref", "")).rpartition("/")[2], schema)
    required = set(own.get("required", ()))
    return [
        f"  {name:<16}{_kind(each):<16}{'required' if name in required else f'default {_shown(each)}'}"
        for name, each in own.get("properties", {}).items()
    ]


def _kind(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " | ".join(_kind(each) for each in field["anyOf"])
    reference = str(field.get("$ref", "")).rpartition("/")[2]
    return str(field.get("type") or reference or "any")


def _shown(field: dict[str, Any]) -> str:
    return msgspec.json.encode(field["default"]).decode() if "default" in field else "set by the plugin"
