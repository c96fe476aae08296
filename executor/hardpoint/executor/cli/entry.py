"""From a process's arguments to its exit code, whatever happens on the way."""

from __future__ import annotations

import os
import sys
from typing import Any

from hardpoint.executor.cli.exit_codes import DEBUG, DONE, FAILED


def run_command_line(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name.

    Returns:
        0 done, 1 the run failed or was aborted, 2 nothing was started.
    """
    from typer.main import get_command

    from hardpoint.executor.cli.app import app

    try:
        code: Any = get_command(app).main(args=arguments, prog_name="hardpoint", standalone_mode=False)
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
