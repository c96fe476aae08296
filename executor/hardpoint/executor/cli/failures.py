"""Every refusal in one form: a message, a blank line, a hint; or a JSON list for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from hardpoint.executor.cli.exit_codes import DEBUG, FAILED, REFUSED
from hardpoint.plugin_api import ErrorInfo, HardpointError, UsageError


class ManyUsageErrors(UsageError):
    """Several things that are wrong with one command line, reported together."""

    def __init__(self, errors: Sequence[HardpointError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n\n".join(map(str, self.errors)))


def describe(error: Exception) -> tuple[list[dict[str, Any]], int]:
    """What an exception says to the user, and the exit code it means.

    Args:
        error: Anything that a command let through.

    Returns:
        One object with at least `code`, `message` and `hint` for each thing that is wrong; the exit code.
    """
    to_dict = getattr(error, "to_dict", None)
    if isinstance(error, ManyUsageErrors):
        return [each for one in error.errors for each in describe(one)[0]], REFUSED
    if isinstance(error, HardpointError) and to_dict is not None:
        told = to_dict()
        return told.get("errors", [told]), REFUSED
    if isinstance(error, HardpointError):
        return [{**of_info(error.info()), **_place(error), **_wait(error)}], REFUSED
    if hasattr(error, "format_message"):
        return [_of_usage(error)], REFUSED
    said = " ".join(str(error).split())
    return [
        {
            "code": type(error).__name__,
            "message": f"Unexpected {type(error).__name__}" + (f": {said}" if said else ""),
            "hint": f"This is a fault of hardpoint: please report it with what `{DEBUG}=1` prints",
        }
    ], FAILED


def _place(error: HardpointError) -> dict[str, Any]:
    """Message and line apart, for an error that has a line."""
    position = getattr(error, "position", None)
    if position is None:
        return {}
    return {"message": getattr(error, "text", error.message), "file": position.file, "line": position.line}


def _wait(error: HardpointError) -> dict[str, Any]:
    """How long whoever refuses asks to wait."""
    wait_s = error.info().retry_after_s
    return {} if wait_s is None else {"retry_after_s": wait_s}


def of_info(info: ErrorInfo) -> dict[str, Any]:
    """An error as `--json` prints it."""
    return {"code": info.code, "message": info.message, "hint": info.hint}


def _of_usage(error: Any) -> dict[str, Any]:
    # The exceptions of Typer's parser have no public names; what they have in common is `format_message`.
    message = error.format_message().rstrip(".")
    path = error.ctx.command_path if getattr(error, "ctx", None) else "hardpoint"
    hint = f"`{path} --help` shows how it is used"
    if message.startswith("Usage:"):  # a group of commands without one: its help is the message
        hint = ""
    option = getattr(error, "option_name", None)
    if option and hasattr(error, "possibilities"):
        message = f"`{path}` has no option `{option}`"
        if error.possibilities:
            hint = f"Did you mean `{sorted(error.possibilities)[0]}`?"
    return {"code": "UsageError", "message": message, "hint": hint}


def print_failures(failures: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print to stderr what is wrong."""
    if as_json:
        sys.stderr.write(msgspec.json.encode(failures).decode() + "\n")
        return
    sys.stderr.write(
        "\n\n".join(_as_text(each, len(failures), n) for n, each in enumerate(failures, 1)) + "\n"
    )


def _as_text(failure: dict[str, Any], count: int, number: int) -> str:
    text = failure["message"]
    if failure.get("line"):
        text += f"\n  --> {failure['file']}:{failure['line']}"
    if count > 1:
        text = f"{number}. {text}"
    return f"{text}\n\nhint: {failure['hint']}" if failure["hint"] else text
