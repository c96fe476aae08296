"""From a process's arguments to its exit code, whatever happens on the way."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from hardpoint.executor.cli.exit_codes import DEBUG, DONE, FAILED
from hardpoint.executor.cli.safe_mode import enter_safe_mode


def run_command_line(
    arguments: list[str],
    importing: AbstractContextManager[None] = nullcontext(),  # noqa: B008 - has no state
) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name.
        importing: Is held while the command's modules are imported, before anything of the user's is run.

    Returns:
        0 done, 1 the run failed or was aborted, 2 nothing was started.
    """
    try:
        with importing:
            command = _command(arguments)
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)  # noqa: T201 - nothing else is certain to work now
        return FAILED
    except Exception as error:
        return _refuse(error, as_json="--json" in arguments)
    return code if isinstance(code, int) else DONE


def _command(arguments: list[str]) -> Callable[[], Any]:
    # From FILE on, the words of the first two are not Typer's: importing it, and pydantic, which it checks
    # even texts with, would be a third of what a small run costs, and half of what a list of plugins does.
    match arguments:
        case ["--safe-mode", *rest]:
            enter_safe_mode()
            return _command(rest)
        case ["run", file, name, *words] if not file.startswith("-"):
            from hardpoint.executor.cli.options import RunOptions
            from hardpoint.executor.cli.run import run_workflow

            return partial(run_workflow, [file, name, *words], RunOptions())
        case ["plan", file, name, *words] if not file.startswith("-"):
            from hardpoint.executor.cli.options import PlanOptions
            from hardpoint.executor.cli.plan import print_plan

            return partial(print_plan, [file, name, *words], PlanOptions())
        case ["plugins", "list"] | ["plugins", "list", "--json"]:
            from hardpoint.executor.cli.plugins import print_plugins

            return partial(print_plugins, as_json="--json" in arguments)
        case _:
            from typer.main import get_command

            from hardpoint.executor.cli.app import app

            main = get_command(app).main
            return partial(main, args=arguments, prog_name="hardpoint", standalone_mode=False)


def _refuse(error: Exception, *, as_json: bool) -> int:
    from hardpoint.executor.cli.failures import describe, print_failures

    if type(error).__name__ == "Abort" and type(error).__module__.startswith(("typer", "click")):
        return FAILED
    failures, code = describe(error)
    if code == FAILED and os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(error)
    print_failures(failures, as_json=as_json)
    return code
