"""The command line: `hardpoint run FILE WORKFLOW`, and everything around it.

Start-up is part of every command, so this package imports nothing heavy by itself: a command's own
module is imported when the command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 the run failed or was aborted, 2 nothing could be started.

    Args:
        arguments: Without the program's name; default: those of this process.
    """
    from hardpoint.executor.cli.entry import run_command_line
    from hardpoint.executor.cli.leaving import leave
    from hardpoint.executor.starting import imports_that_stay

    if arguments is not None:
        sys.exit(run_command_line(list(arguments)))
    leave(run_command_line(sys.argv[1:], imports_that_stay()))
