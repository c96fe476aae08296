"""What a process of ours ends with, and how to see more when it is our fault."""

from __future__ import annotations

DONE = 0
FAILED = 1
"""The run failed or was aborted, or hardpoint did."""
REFUSED = 2
"""The command line is wrong, the workflow does not compile, the store cannot be read: nothing was started."""

DEBUG = "HARDPOINT_DEBUG"
"""Environment variable: set, the traceback of an unexpected exception is printed."""
