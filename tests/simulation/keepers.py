"""Where a world's journal is kept, and what a power cut leaves of it."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, Protocol

from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.protocol import Journal
from hardpoint.executor.journal.sql import SqlJournal


class Keeper(Protocol):
    """Opens the journal for each process, and loses what was not durable when the power goes."""

    def open(self) -> Journal:
        """The journal, as one more process sees it."""

    def committed(self, durable: bool) -> None:
        """Something was committed."""

    def power_cut(self, dice: random.Random, *, torn: bool) -> None:
        """Forget some of what was committed since the last durable commit, or damage what comes last."""

    def close(self) -> None:
        """Nothing more will be asked."""


class MemoryKeeper:
    """One `MemoryJournal` for all; what it held after each commit since the last durable one is remembered.

    Args:
        remembers: Whether there will be power cuts.
    """

    def __init__(self, *, remembers: bool) -> None:
        self._journal = MemoryJournal()
        self._remembers = remembers
        self._moments: list[dict[str, dict[Any, Any]]] = []

    def open(self) -> Journal:
        return self._journal

    def committed(self, durable: bool) -> None:
        if self._remembers:
            if durable:
                self._moments.clear()
            self._moments.append(self._copy())

    def _copy(self) -> dict[str, dict[Any, Any]]:
        return {
            name: {key: each.copy() if isinstance(each, dict) else each for key, each in value.items()}
            for name, value in vars(self._journal).items()
            if isinstance(value, dict)
        }

    def power_cut(self, dice: random.Random, *, torn: bool) -> None:
        if self._moments:
            kept = dice.randrange(len(self._moments))
            del self._moments[kept + 1 :]
            vars(self._journal).update(self._moments[kept])
            self._moments[kept] = self._copy()

    def close(self) -> None:
        pass


class SqlKeeper:
    """A real SQLite file, of which a copy is made at each durable commit."""

    def __init__(self, *, remembers: bool) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="simulation-"))
        self._remembers = remembers
        self._path = self._folder / "journal.db"
        self._copy = self._folder / "copy"
        self._opened: list[Journal] = []

    def open(self) -> Journal:
        journal = SqlJournal.at(self._path)
        self._opened.append(journal)
        return journal

    def committed(self, durable: bool) -> None:
        if durable and self._remembers:
            self._copy.mkdir(exist_ok=True)
            for path in self._folder.glob("journal.db*"):
                shutil.copy(path, self._copy / path.name)

    def power_cut(self, dice: random.Random, *, torn: bool) -> None:
        self._close_all()
        if dice.random() < 0.5 and self._copy.exists():
            for path in self._folder.glob("journal.db*"):
                path.unlink()
            for path in self._copy.iterdir():
                shutil.copy(path, self._folder / path.name)
        elif torn:
            self._tear()

    def _tear(self) -> None:
        """Damage the last group of each run that goes on, if it is younger than the copy, so not durable.

        The end of a run is left: its group and its row are one transaction, and it is the group that is torn.
        """
        if not self._copy.exists():
            return
        safe = _last_seqs(self._copy / "journal.db")
        with sqlite3.connect(self._path) as connection:
            for execution, last_seq in _last_seqs(self._path).items():
                if last_seq > safe.get(execution, last_seq):
                    connection.execute(
                        "UPDATE groups SET events = substr(events, 1, length(events) / 2) "
                        "WHERE execution = ? AND last_seq = ? AND execution IN "
                        "(SELECT execution FROM executions WHERE ended_at IS NULL)",
                        (execution, last_seq),
                    )
        connection.close()

    def _close_all(self) -> None:
        for journal in self._opened:
            journal.close()
        self._opened.clear()

    def close(self) -> None:
        self._close_all()
        shutil.rmtree(self._folder, ignore_errors=True)


def _last_seqs(path: Path) -> dict[str, int]:
    connection = sqlite3.connect(path)
    try:
        query = "SELECT execution, max(last_seq) FROM groups GROUP BY execution"
        return dict(connection.execute(query).fetchall())
    finally:
        connection.close()
