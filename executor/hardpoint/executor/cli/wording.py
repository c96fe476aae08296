"""How values, times and durations are written for people, and instants for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from hardpoint.plugin_api import Reference

VALUE_MAX = 1000
_REFERENCE = frozenset({"uri", "digest", "size_bytes", "format"})


def duration(seconds: float | None) -> str:
    """A span of time, to about three digits.

    >>> [duration(each) for each in (None, 0.0, 0.0042, 3.14159, 75.4, 7260.0)]
    ['', '0 ms', '4 ms', '3.1 s', '1 min 15 s', '2 h 01 min']
    """
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def size(size_bytes: float) -> str:
    """A number of bytes.

    >>> size(12), size(4096), size(3 << 30)
    ('12 B', '4.0 KiB', '3.0 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024 or unit == "GiB":
            break
        size_bytes /= 1024
    return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"


def day_and_time(at: float | None) -> str:
    """Local time to the second; empty for None."""
    return "" if at is None else f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}"


def time_of_day(at: float) -> str:
    """Local time to the second, without the day."""
    return f"{datetime.fromtimestamp(at):%H:%M:%S}"


def iso(at: float | None) -> str | None:
    """An instant for programs: ISO 8601, UTC.

    >>> iso(0.5)
    '1970-01-01T00:00:00.500000+00:00'
    """
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def value(wire: Any) -> str:
    """A wire value on one line: JSON, but for what travels by reference, whose place says more.

    >>> value({"a": [1, "x"]})
    '{"a":[1,"x"]}'
    >>> value({"uri": "/s/ab/abc", "digest": "sha256:abc", "size_bytes": 12, "format": "npy"})
    '/s/ab/abc (npy, 12 B)'
    """
    if isinstance(wire, dict) and wire.keys() >= _REFERENCE:
        return place(msgspec.convert(wire, Reference))
    text = msgspec.json.encode(wire).decode()
    if len(text) <= VALUE_MAX:
        return text
    return f"{text[:VALUE_MAX]}… ({len(text)} characters; `--json` prints all)"


def place(reference: Reference) -> str:
    """Where a value that travels by reference lies, and what it is.

    >>> place(Reference("/s/ab/abc", "sha256:abc", 2048, "bytes", "report.html"))
    '/s/ab/abc (report.html, 2.0 KiB)'
    """
    return f"{reference.uri} ({reference.name or reference.format}, {size(reference.size_bytes)})"


def plural(count: int, noun: str) -> str:
    """A number with its noun.

    >>> plural(1, "node"), plural(2, "node")
    ('1 node', '2 nodes')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
