"""Ctrl-C while a run goes on: once ends the run, twice leaves it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from hardpoint.executor.cli.exit_codes import FAILED
from hardpoint.executor.cli.output import say

LEAVE_S = 3.0


@contextmanager
def ctrl_c(*, once: Callable[[], None], twice: Callable[[], None], leaving: str) -> Iterator[None]:
    """Answer Ctrl-C while the main thread waits.

    Args:
        once: The first time.
        twice: The second time, for at most three seconds; then the process ends, whatever is under way.
        leaving: What to say the second time.
    """
    pressed = 0

    def answer(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed += 1
        if pressed == 1:
            once()
            return
        say(leaving, to=sys.stderr)
        # What must end in order may be what hangs, so it may not hold the process.
        last = threading.Thread(target=twice, daemon=True)
        last.start()
        last.join(LEAVE_S)
        os._exit(FAILED)

    before = signal.signal(signal.SIGINT, answer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
