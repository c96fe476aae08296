"""The temporary folders of workers: removed when a worker is gone, even if its engine went before."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from hardpoint.executor.pool.kept import KeptResults

_YOUNG_S = 60.0


class FolderCleaner:
    """Removes folders in threads of its own: an attempt may have left many gigabytes.

    Args:
        folder: Parent of the workers' folders.
        kept: Results that workers kept; removed when they are in the journal.
    """

    def __init__(self, folder: Path, kept: KeptResults) -> None:
        self._folder = folder
        self._kept = kept
        self._buried: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._sweep)

    def journaled(self, workers: Iterable[str] = ()) -> None:
        """All that these workers, and those removed so far, have sent is in the journal."""
        for worker in (*self._buried, *workers):
            self._kept.forget(worker)
        self._buried.clear()

    def remove(self, worker: str) -> None:
        """Remove the folder of a worker that is dead; what it kept goes when it is journaled."""
        self._buried.add(worker)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._start(lambda: shutil.rmtree(self._folder / worker, ignore_errors=True))

    def finish(self) -> None:
        """Wait until everything is removed."""
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="hardpoint-cleanup", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _sweep(self) -> None:
        """Remove what workers of engines that were killed have left."""
        self._kept.sweep()
        if not self._folder.is_dir():
            return
        for folder in self._folder.iterdir():
            try:
                # A young one may belong to a worker that has not come so far as to mark it.
                if time.time() - folder.stat().st_mtime > _YOUNG_S and _is_abandoned(folder):
                    shutil.rmtree(folder, ignore_errors=True)
            except OSError:
                continue


def _is_abandoned(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
