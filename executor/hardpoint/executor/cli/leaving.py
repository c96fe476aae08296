"""Ending a process of ours, whatever a plugin or a workflow has left running in it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Exit with a code.

    The interpreter waits for every thread that is no daemon. The command is done, so what is left runs for
    nobody, and may run for ever.
    """
    left = [each for each in threading.enumerate() if not each.daemon and each is not threading.main_thread()]
    if not left:
        sys.exit(code)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
