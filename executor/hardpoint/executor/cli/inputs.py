"""The inputs of a workflow on a command line: read from text, and listed for `--help`."""

from __future__ import annotations

from collections.abc import Mapping

from hardpoint.core.runnable import Runnable
from hardpoint.core.types.examples import form
from hardpoint.core.types.text import parse_text
from hardpoint.executor.cli.failures import ManyUsageErrors
from hardpoint.executor.cli.wording import value
from hardpoint.executor.cli.words import Parsed
from hardpoint.plugin_api import HardpointError, Interface, Store, UsageError, Variable, Wire


class InputValueError(UsageError):
    """The text given for an input does not fit its type."""


class MissingInputError(UsageError):
    """An input without a default is not given."""


def read_inputs(
    interface: Interface, parsed: Parsed, store: Store, *, partly: bool = False
) -> dict[str, Wire]:
    """Wire values of the inputs, defaults filled in.

    Args:
        interface: Of the workflow.
        parsed: From the command line.
        store: Where files and tables are put.
        partly: Leave out what is missing instead of refusing it.

    Raises:
        UsageError: Everything that is wrong with the words and the values, together.
    """
    problems = list(parsed.problems)
    wires: dict[str, Wire] = {}
    for variable in interface.inputs:
        text = parsed.texts.get(variable.name)
        if text is not None:
            try:
                wires[variable.name] = parse_text(variable.type, text, store)
            except HardpointError as error:
                problems.append(InputValueError(f"Input `{variable.name}`: {error.message}", hint=error.hint))
        elif not variable.required:
            wires[variable.name] = variable.default
    if not partly and not parsed.problems:  # a misspelt input is one mistake, not also a missing one
        problems += _missing(interface, parsed.texts)
    match problems:
        case []:
            return wires
        case [only]:
            raise only
        case several:
            raise ManyUsageErrors(several)


def _missing(interface: Interface, given: Mapping[str, str]) -> list[HardpointError]:
    return [
        MissingInputError(
            f"Input `{variable.name}` has no value and no default",
            hint=f"Add `{_option(variable)}` with {form(variable.type)}",
        )
        for variable in interface.missing(set(given))
    ]


def _option(variable: Variable) -> str:
    return "--" + variable.name.replace("_", "-")


def _kind(variable: Variable) -> str:
    return str(variable.type)


def help_lines(file: str, name: str, workflow: Runnable) -> list[str]:
    """What `run FILE WORKFLOW --help` prints."""
    interface = workflow.interface
    lines = [f"Usage: hardpoint run {file} {name} [OPTIONS] [--INPUT VALUE]...", ""]
    if workflow.doc:
        lines += ["  " + workflow.doc.strip().replace("\n", "\n  "), ""]
    lines += ["Inputs:", *(_columns([_input_row(each) for each in interface.inputs]) or ["  none"]), ""]
    outputs = [(each.name, str(each.type), each.doc) for each in interface.outputs]
    lines += ["Outputs:", *(_columns(outputs) or ["  none"]), ""]
    return [*lines, "The options of `hardpoint run --help` may follow too."]


def _input_row(variable: Variable) -> tuple[str, str, str]:
    default = "required" if variable.required else f"default {value(variable.default)}"
    return (
        _option(variable),
        _kind(variable),
        f"{variable.doc.rstrip('.')}. {default}" if variable.doc else default,
    )


def _columns(rows: list[tuple[str, str, str]]) -> list[str]:
    first = max((len(row[0]) for row in rows), default=0)
    second = max((len(row[1]) for row in rows), default=0)
    return [f"  {row[0]:<{first}}  {row[1]:<{second}}  {row[2]}".rstrip() for row in rows]
