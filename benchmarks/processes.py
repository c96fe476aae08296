"""Runs of the driver, and of the command line, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.meter import Span, descendants_of

ROOT = Path(__file__).resolve().parent.parent
DRIVER = ROOT / "benchmarks" / "driver.py"
SAMPLE_S = 0.2
MEMORY_FOLDER = Path("/dev/shm")


@contextmanager
def state_folder() -> Iterator[Path]:
    """A folder for one run's state: in memory if there is such a place, or a busy disk would be measured."""
    parent = MEMORY_FOLDER if os.access(MEMORY_FOLDER, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="hardpoint-bench-", dir=parent) as folder:
        yield Path(folder)


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """For a measured process: with cached bytecode, as every installed package has it after its first use."""
    left_out = ("PYTHONDONTWRITEBYTECODE", "HARDPOINT_HOME")
    kept = {key: value for key, value in os.environ.items() if key not in left_out}
    return kept | {"BENCH_STATE": str(folder), "TMPDIR": str(folder)} | changes


def drive(workload: str, n: int, variant: str, folder: Path, **changes: str) -> dict[str, Any]:
    """One run of the driver; what it reports.

    Raises:
        SystemExit: It failed, or its answer was wrong.
    """
    command = [sys.executable, str(DRIVER), workload, str(n), variant]
    with subprocess.Popen(
        command, env=environment(folder, **changes), cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        watch = TreeMemory(process.pid)
        out, _ = process.communicate()
        watch.stop()
    if process.returncode != 0:
        raise SystemExit(f"`{' '.join(command)}` exited with code {process.returncode}")
    report: dict[str, Any] = json.loads(out.splitlines()[-1])
    if not report["ok"]:
        raise SystemExit(f"`{' '.join(command)}` went wrong: {report}")
    return report | {"peak_mb": max(watch.peak_mb, report["rss_mb"])}


class TreeMemory:
    """Samples the memory of a process and of those below it; shared pages are counted once."""

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            pids = [self._pid, *descendants_of(self._pid)]
            self.peak_mb = max(self.peak_mb, sum(map(_pss_mb, pids)))

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join()


def _pss_mb(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def cost(command: list[str], folder: Path) -> Span:
    """Wall and CPU of a whole process and of those it waited for."""
    span = Span()
    with span():
        ran = subprocess.run(
            command, env=environment(folder), cwd=folder, stdout=subprocess.DEVNULL, check=False
        )
    if ran.returncode != 0:
        raise SystemExit(f"`{' '.join(command)}` exited with code {ran.returncode}")
    return span


def killed_when(marks: Path, lines: int, command: list[str], folder: Path, **changes: str) -> int:
    """Run a command until a file has so many lines, then end it and all below it; return how many it had.

    Raises:
        SystemExit: It ended before that.
    """
    with subprocess.Popen(
        command, env=environment(folder, **changes), cwd=folder, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and lines_in(marks) < lines:
            time.sleep(0.002)
        if process.poll() is not None:
            raise SystemExit(f"`{' '.join(command)}` ended before it was to be killed")
        for pid in (process.pid, *tuple(descendants_of(process.pid))):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return lines_in(marks)


def lines_in(file: Path) -> int:
    """How many lines a file has; 0 if it is not there."""
    try:
        return file.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0
