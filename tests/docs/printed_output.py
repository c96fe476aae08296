"""Whether a command printed what a page shows, as far as a page can know it.

Ids, times, durations and digests may differ, and so may spaces and empty lines. `...` stands for anything,
`…` for the rest of a word. Lines that begin with the time of day are progress: neighbours may change places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

VARYING = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\b\d{8}-\d{6}-[a-z0-9]{5}\b"), "<id>"),
    (re.compile(r"\b(\d{4}-\d\d-\d\d[ T])?\d\d:\d\d:\d\d(\.\d+)?Z?"), "<time>"),
    (re.compile(r"\b(\d+(\.\d+)? (ms|s|min|h|days?)\b ?)+"), "<duration> "),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "<digest>"),
)


def agrees(shown: Iterable[str], printed: str) -> bool:
    """Whether `printed` is what the lines `shown` stand for."""
    pattern = "".join(_pattern(line) for line in _settled(shown))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _settled(printed.splitlines()))) is not None


def _settled(lines: Iterable[str]) -> Iterator[str]:
    plain = (_plain(line) for line in lines)
    for is_progress, group in groupby(filter(None, plain), key=lambda line: line.startswith("<time>")):
        neighbours = list(group)
        yield from sorted(neighbours) if is_progress else neighbours


def _plain(line: str) -> str:
    for pattern, name in VARYING:
        line = pattern.sub(name, line)
    return " ".join(line.split())


def _pattern(line: str) -> str:
    if line == "...":
        return r"(?:.*\n)*?"
    return re.escape(line).replace(r"\.\.\.", ".*").replace("…", r"\S*") + r"\n"
