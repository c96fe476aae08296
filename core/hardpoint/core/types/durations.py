"""Durations as people type them."""

from __future__ import annotations

import datetime as dt
import re

import msgspec

_SECONDS = re.compile(r"[+-]?\d+(\.\d+)?")
_WEEKS = re.compile(r"([+-]?)P(\d+)W", re.IGNORECASE)


def duration_of(text: str) -> dt.timedelta:
    """ISO 8601 (`PT1H30M`, `P2D`, `P1W`), or plain seconds.

    Raises:
        ValueError: Neither.

    >>> str(duration_of("PT1H30M")), str(duration_of("2.5")), str(duration_of("P1W"))
    ('1:30:00', '0:00:02.500000', '7 days, 0:00:00')
    """
    if _SECONDS.fullmatch(text):
        whole, _, fraction = text.partition(".")
        micros = int((fraction + "000000")[:6]) * (-1 if text.startswith("-") else 1)
        return dt.timedelta(seconds=int(whole), microseconds=micros)
    if weeks := _WEEKS.fullmatch(text):
        return dt.timedelta(weeks=int(weeks[1] + weeks[2]))
    try:
        return msgspec.convert(text, dt.timedelta)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
