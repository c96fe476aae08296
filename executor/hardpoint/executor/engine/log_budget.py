"""How much one plugin may log: a flood of it fills no disk and drowns no other line."""

from __future__ import annotations

import logging
import threading

from hardpoint.plugin_api import Clock

CHARS_PER_WINDOW = 1 << 20
WINDOW_S = 60.0
RECORD_CHARS = 10_000


class LogBudget(logging.Filter):
    """Lets records of one logger pass up to a number of characters a minute; then says that it stops.

    Args:
        clock: Of the windows.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._until_s = 0.0
        self._left = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record passes; what is too long of it is cut off."""
        text = record.getMessage()
        if len(text) > RECORD_CHARS:
            text = f"{text[:RECORD_CHARS]}… ({len(text)} characters)"
            record.msg, record.args = text, None
        with self._lock:
            now_s = self._clock.monotonic()
            if now_s >= self._until_s:
                self._until_s, self._left = now_s + WINDOW_S, CHARS_PER_WINDOW
            had, self._left = self._left, self._left - len(text)
        if had > 0 >= self._left:
            record.msg = f"{text}\n[{record.name} has logged too much: its lines of one minute are left out]"
            record.args = None
        return had > 0


def keep_within(logger: logging.Logger, clock: Clock) -> logging.Logger:
    """The logger, with a budget; several executors of one process share it."""
    if not any(isinstance(each, LogBudget) for each in logger.filters):
        logger.addFilter(LogBudget(clock))
    return logger
