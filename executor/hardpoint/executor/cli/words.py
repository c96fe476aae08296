"""The words behind `run FILE WORKFLOW`: values for the workflow's inputs, and hardpoint's own options.

Typer parses every other command line. Here the options depend on the workflow, and an input may have
the name of an option: behind the workflow's name the input wins, before the file's name the option.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from hardpoint.core.compile_errors import did_you_mean
from hardpoint.executor.cli.options import NUMBERS, OPTIONS, PLAN_FLAGS, RunOptions
from hardpoint.plugin_api import HardpointError, Interface, SimpleKind, SimpleType, UsageError, Variable

Options = TypeVar("Options", bound=RunOptions)

_TRUTHS = frozenset({"true", "false", "yes", "no", "on", "off", "1", "0"})


class InputTwiceError(UsageError):
    """An input is given more than once."""


class OptionValueError(UsageError):
    """An option's value is missing, or not of its type."""


class UnknownOptionError(UsageError):
    """An option that neither the command nor the workflow has."""


class UnexpectedWordError(UsageError):
    """A word that belongs to no option."""


@dataclass(slots=True)
class Parsed:
    """What the words say.

    Args:
        texts: By input name, as typed.
        options: By field of `RunOptions`.
        problems: Everything that is wrong, in the order of the words.
    """

    texts: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    problems: list[HardpointError] = field(default_factory=list)

    def merged(self, options: Options) -> Options:
        """The options before the file's name, with those behind it laid over them."""
        return replace(options, **self.options)


def parse_words(words: Sequence[str], interface: Interface, options: Mapping[str, str] = OPTIONS) -> Parsed:
    """Sort words into inputs and options.

    Args:
        words: What follows the workflow's name.
        interface: Of the workflow.
        options: Of the command: spelling → field.

    >>> from hardpoint.plugin_api import SimpleKind, SimpleType
    >>> face = Interface((Variable("batch_size", SimpleType(SimpleKind.INT)),))
    >>> parsed = parse_words(["--batch-size", "-3", "--json"], face)
    >>> parsed.texts, parsed.options, parsed.problems
    ({'batch_size': '-3'}, {'json': True}, [])
    """
    parsed = Parsed()
    inputs = {_option(variable.name): variable for variable in interface.inputs}
    waiting = list(reversed(words))
    while waiting:
        word = waiting.pop()
        spelled, has_value, value = word.partition("=")
        name = "--" + spelled[2:].replace("_", "-") if spelled.startswith("--") else spelled
        given = value if has_value else None
        try:
            if name in inputs:
                _take_input(parsed, inputs[name], spelled, given, waiting)
            elif _negated(name, inputs) and given is None:
                _set_input(parsed, inputs["--" + name[5:]], "false")
            elif name in options:
                _take_option(parsed, options[name], spelled, given, waiting)
            else:
                raise _unknown(word, spelled, inputs, options, waiting)
        except UsageError as problem:
            parsed.problems.append(problem)
    return parsed


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _is_bool(variable: Variable) -> bool:
    return variable.type == SimpleType(SimpleKind.BOOL)


def _negated(name: str, inputs: dict[str, Variable]) -> bool:
    positive = inputs.get("--" + name[5:]) if name.startswith("--no-") else None
    return positive is not None and _is_bool(positive)


def _take_input(
    parsed: Parsed, variable: Variable, spelled: str, given: str | None, waiting: list[str]
) -> None:
    if given is None and _is_bool(variable) and not (waiting and waiting[-1].lower() in _TRUTHS):
        given = "true"
    _set_input(parsed, variable, _value(spelled, given, waiting))


def _set_input(parsed: Parsed, variable: Variable, text: str) -> None:
    if variable.name in parsed.texts:
        raise InputTwiceError(
            f"Input `{variable.name}` is given twice: `{parsed.texts[variable.name]}` and `{text}`",
            hint="Give it once",
        )
    parsed.texts[variable.name] = text


def _take_option(parsed: Parsed, field: str, spelled: str, given: str | None, waiting: list[str]) -> None:
    if field in PLAN_FLAGS:
        if given is not None:
            raise OptionValueError(
                f"Option `{spelled}` takes no value, not `{given}`", hint=f"Write `{spelled}`"
            )
        parsed.options[field] = True
        return
    text = _value(spelled, given, waiting)
    parsed.options[field] = _number(spelled, text, *NUMBERS[field]) if field in NUMBERS else text


def _number(spelled: str, text: str, least: int | None, words: str) -> int:
    if re.fullmatch("-?[0-9]{1,18}", text) and (least is None or int(text) >= least):
        return int(text)
    raise OptionValueError(f"Option `{spelled}` is `{text}`, not {words}", hint=f"Write `{spelled} 4`")


def _value(spelled: str, given: str | None, waiting: list[str]) -> str:
    if given is not None:
        return given
    if waiting and not waiting[-1].startswith("--"):
        return waiting.pop()
    if waiting:
        hint = f"Write `{spelled}=VALUE` for a value that begins with `--`"
    else:
        hint = f"Write `{spelled} VALUE`"
    raise OptionValueError(f"Option `{spelled}` has no value", hint=hint)


def _unknown(
    word: str,
    spelled: str,
    inputs: dict[str, Variable],
    options: Mapping[str, str],
    waiting: list[str],
) -> UsageError:
    if not word.startswith("-"):
        return UnexpectedWordError(
            f"`{word}` belongs to no option", hint="Inputs are given as `--name value`"
        )
    if waiting and not waiting[-1].startswith("-"):
        waiting.pop()  # its value, which would only be a second complaint about the same mistake
    known = ", ".join(f"`{each}`" for each in inputs) or "none"
    # Compared without the dashes, which would make all short names alike.
    close = did_you_mean(spelled.strip("-"), [each.strip("-") for each in (*inputs, *options)])
    hint = close.replace("`", "`--", 1) or f"The inputs of this workflow: {known}"
    return UnknownOptionError(f"No input or option `{spelled}`", hint=hint)
