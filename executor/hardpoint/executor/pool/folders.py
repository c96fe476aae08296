"""The temporary folders of workers: removed when a worker is gone, even if its engine went before."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

_YOUNG_S = 60.0


class FolderCleaner:
    """Removes folders in threads of its own: an attempt may have left many gigabytes.

    Args:
        folder: Parent of the workers' folders.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads: list[threading.Thread] = []
        self._start(self._sweep)

    def remove(self, worker: str) -> None:
        """Remove the folder of a worker that is dead."""
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
