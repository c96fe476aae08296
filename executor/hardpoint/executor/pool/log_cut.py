"""How much is kept of what one attempt prints: its beginning and its end."""

from __future__ import annotations

from pathlib import Path

KEPT_BYTES = 16 << 20
"""Of each stream of an attempt."""


def cut(path: Path, begin: int, end: int, kept_bytes: int = KEPT_BYTES) -> int:
    """Take the middle out of what an attempt wrote, if it is too much; return where it ends then.

    Args:
        path: Of the file; a worker appends to it and has written nothing behind `end`.
        begin, end: The attempt's part of it.
        kept_bytes: What is left, besides a line that says what is gone.
    """
    if end - begin <= kept_bytes:
        return end
    half = kept_bytes // 2
    try:
        with path.open("r+b") as file:
            file.seek(end - half)
            tail = file.read(half)
            file.seek(begin + half)
            file.write(f"\n[hardpoint left out {end - begin - 2 * half} bytes here]\n".encode() + tail)
            return file.truncate()
    except OSError:
        return end
