"""What commands write: lines and tables for people, one JSON value for programs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import msgspec

from hardpoint.executor.cli.wording import duration

PATIENCE_S = 2.0
REPEAT_S = 10.0

_COLOURS = {
    "SUCCEEDED": "green",
    "CACHED": "green",
    "FAILED": "red",
    "FAILING": "red",
    "ABORTED": "yellow",
    "ABORTING": "yellow",
    "CANCELLED": "yellow",
    "BACKOFF": "yellow",
    "STARTED": "cyan",
    "RUNNING": "cyan",
    "MAPPING": "cyan",
}


def colour_of(state: str) -> str:
    """The colour of a state on terminals; the word itself says the same."""
    return _COLOURS.get(state, "")


def say(*lines: str, to: IO[str] | None = None) -> None:
    """Print lines, to stdout unless told otherwise."""
    stream = to or sys.stdout
    stream.write("".join(line + "\n" for line in lines))
    stream.flush()


def say_json(value: Any) -> None:
    """Print one JSON value on one line."""
    say(msgspec.json.encode(value).decode())


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, states: int | None = None) -> None:
    """Print a table: fitted to a terminal; elsewhere as wide as it is, without any control codes.

    Args:
        headers: One for each column.
        rows: Cells as text.
        states: Index of the column whose words are states.
    """
    if sys.stdout.isatty():
        _rich_table(headers, rows, states)
        return
    say(*text_table(headers, rows))


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table as lines, as wide as it is.

    >>> text_table(["NODE", "STATE"], [["load", "READY"]])
    ['NODE  STATE', 'load  READY']
    """
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    padded = (
        (" ".join(cell.split("\n")).ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (headers, *rows)
    )
    return ["  ".join(cells).rstrip() for cells in padded]


def _rich_table(headers: Sequence[str], rows: Sequence[Sequence[str]], states: int | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        made.add_column(header, overflow="fold")
    for row in rows:
        made.add_row(
            *(Text(cell, style=colour_of(cell) if index == states else "") for index, cell in enumerate(row))
        )
    Console(highlight=False).print(made)


@contextmanager
def patience(what: str) -> Iterator[None]:
    """Tell on stderr, after two seconds and from then on every ten, that something is still going on."""
    done = threading.Event()
    began = time.monotonic()

    def tell() -> None:
        wait_s = PATIENCE_S
        while not done.wait(wait_s):
            say(f"{what} … {duration(time.monotonic() - began)}", to=sys.stderr)
            wait_s = REPEAT_S

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
