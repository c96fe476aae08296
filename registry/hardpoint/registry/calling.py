"""Calling one hook of one plugin: in a thread of its own, within a budget, through its breaker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from hardpoint.plugin_api import ErrorInfo, ErrorKind
from hardpoint.registry.breaker import Breaker, Mode
from hardpoint.registry.lane import Lane, LateError
from hardpoint.registry.quarantine import Stage, from_exception, from_hanging_thread
from hardpoint.registry.troubles import Notice, Trouble

OBSERVING_BUDGET_S = 30.0
"""How long a plugin may take to take in events, or to find out whether it could work."""
LATE = "TimeoutError"
LEFT_OUT = "BreakerOpen"

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Place(NamedTuple):
    """What is called, and fails, by itself."""

    plugin: str
    hook: str


@dataclass(slots=True)
class _Record:
    lane: Lane
    breaker: Breaker = field(default_factory=Breaker)
    trouble: Trouble | None = None
    known_to_work: bool = False


class Calls:
    """Calls plugins so that what one does costs nobody but itself; for any number of threads.

    Args:
        now: Seconds since the epoch.
        notice: For other processes.
    """

    def __init__(self, now: Callable[[], float], notice: Notice) -> None:
        self._now = now
        self._notice = notice
        self._lock = threading.Lock()
        self._records: dict[Place, _Record] = {}

    def call(self, place: Place, function: Callable[[], T], *, budget_s: float) -> T | ErrorInfo:
        """Call a plugin.

        Args:
            place: Whom, and what of it.
            function: The call, and the reading of its answer: both are the plugin's code.
            budget_s: Seconds it may take.

        Returns:
            What it returned, or why it is passed over.

        Raises:
            KeyboardInterrupt: Of the user; nothing else.
        """
        record = self._record(place)
        with self._lock:
            match record.breaker.mode(self._now()):
                case Mode.OPEN:
                    return self._left_out(place, record)
                case Mode.HALF_OPEN:
                    record.breaker = record.breaker.tried(self._now())
                case Mode.CLOSED:
                    pass
        try:
            value = record.lane.call(function, budget_s=budget_s)
        except KeyboardInterrupt:
            raise
        except LateError as late:
            trace = from_hanging_thread(budget_s, late.thread_ident).traceback
            return self._failed(
                place, record, ErrorInfo(LATE, str(late), ErrorKind.CONTRACT, traceback=trace)
            )
        except BaseException as error:  # SystemExit and friends must not get further than this plugin
            told = from_exception(Stage.HANDLER, error)
            failure = ErrorInfo(
                type(error).__name__, told.summary, ErrorKind.CONTRACT, traceback=told.traceback
            )
            return self._failed(place, record, failure)
        self._succeeded(place, record)
        return value

    def troubles(self) -> tuple[Trouble, ...]:
        """What failed when it was called last, by plugin and hook."""
        with self._lock:
            found = [record.trouble for _, record in sorted(self._records.items(), key=lambda item: item[0])]
        return tuple(trouble for trouble in found if trouble is not None)

    def _record(self, place: Place) -> _Record:
        with self._lock:
            record = self._records.get(place)
            if record is None:
                record = self._records[place] = _Record(Lane(f"{place.plugin} {place.hook}"))
            return record

    def _left_out(self, place: Place, record: _Record) -> ErrorInfo:
        why = record.trouble.message if record.trouble else ""
        left_s = record.breaker.left_s(self._now())
        message = f"`{place.hook}` is not called, since it failed {record.breaker.failures} times: {why}"
        return ErrorInfo(LEFT_OUT, message, ErrorKind.CONTRACT, retry_after_s=left_s)

    def _failed(self, place: Place, record: _Record, failure: ErrorInfo) -> ErrorInfo:
        with self._lock:
            now = self._now()
            record.breaker = record.breaker.failed(now)
            trouble = record.trouble = Trouble(
                place.plugin,
                place.hook,
                failure.message,
                failure.traceback,
                record.breaker.failures,
                record.trouble.since if record.trouble else now,
            )
            is_open = record.breaker.mode(now) is Mode.OPEN
        logger.warning("plugin %s is passed over in `%s`: %s\n%s", *place, failure.message, failure.traceback)
        if is_open:
            self._notice.put_up(trouble)
        return failure

    def _succeeded(self, place: Place, record: _Record) -> None:
        with self._lock:
            was_known, record.known_to_work = record.known_to_work, True
            had_failed = record.trouble is not None
            record.trouble = None
            record.breaker = record.breaker.succeeded()
        if had_failed or not was_known:
            self._notice.take_down(*place)
