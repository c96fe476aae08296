"""The clocks that leases are told by: ours, and that of whatever keeps the store."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from hardpoint.plugin_api import Clock, Finding
from hardpoint.plugin_api.clock_skew import skew_finding


def of_server(now_there: Callable[[], float], clock: Clock, whose: str) -> Finding:
    """How far a server's clock is from ours.

    Args:
        now_there: Asks for its time, in seconds since the epoch.
        clock: Ours.
        whose: Which server's it is.
    """
    asked_at = clock.now()
    there = now_there()
    took_s = clock.now() - asked_at
    return skew_finding(whose, there - asked_at - took_s / 2, uncertain_s=took_s / 2)


def file_time(folder: Path) -> float:
    """What time it is for a folder's file system, which may be a server's; leaves nothing in it.

    Raises:
        OSError: No file can be made there.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"1")
        file.flush()
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_mtime
