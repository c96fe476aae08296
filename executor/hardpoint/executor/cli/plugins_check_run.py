"""Runs a kit in processes of its own, whatever its plugin does: a case that ends or hangs one has failed."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from hardpoint.plugin_api.testing.check_lines import Began, Collected, Ended, Line, Order

MODULE = "hardpoint.plugin_api.testing.check"
PROCESSES_MAX = 6
"""After so many that ended too early, what is left is not run."""
GRACE_S = 5.0
"""A case may take so much longer before its process, which should have ended itself, is killed."""
LOOK_S = 1.0
"""How often to look whether the process is still there."""
STDERR_MAX = 4000

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a case and the whole may take, in seconds."""

    case_s: float = 60.0
    whole_s: float = 900.0


@dataclass(slots=True)
class KitRun:
    """One run of a kit, over all its processes.

    Args:
        tell: Called with the number of cases done and of all, after each.
    """

    kit: str
    words: str
    limits: Limits
    tell: Tell
    ended: dict[str, Ended] = field(default_factory=dict)
    cases: list[str] = field(default_factory=list)
    collected: bool = False
    current: str = ""
    began_s: float = 0.0

    def finished(self) -> bool:
        """Whether every case has ended."""
        return "" in self.ended or (self.collected and all(case in self.ended for case in self.cases))

    def deadline_s(self, whole_s: float) -> float:
        """Until when something has to happen, on the monotonic clock."""
        case_s = self.began_s + self.limits.case_s + GRACE_S
        return min(whole_s, case_s) if self.current else whole_s

    def take(self, line: Line) -> None:
        """Note what the process tells."""
        match line:
            case Collected(cases):
                self.collected = True
                self.cases += [case for case in cases if case not in self.cases]
            case Began(case):
                self.current, self.began_s = case, time.monotonic()
            case Ended(case):
                self.ended[case] = line
                self.current = ""
                self.tell(len(self.ended), len(self.cases))

    def fail_current(self, why: str, trace: str = "") -> None:
        """The case that is running ended its process, or the time is up."""
        self.ended[self.current] = Ended(self.current, "failed", why, trace)
        self.current = ""

    def fail_rest(self, why: str) -> None:
        """Cases that never ran have not passed."""
        for case in self.cases:
            self.ended.setdefault(case, Ended(case, "failed", why))


def run_kit(kit: str, words: str, tell: Tell, limits: Limits = Limits()) -> list[Ended]:  # noqa: B008 - frozen
    """Run the cases of a kit.

    Args:
        kit: The class, `module:Class`.
        words: Only cases whose names have these; empty for all.
        tell: Called with the number of cases done and of all, after each.
        limits: Of the time.

    Returns:
        What became of each case, in order; of a case without a name if the kit could not be used.
    """
    run = KitRun(kit, words, limits, tell)
    whole_s = time.monotonic() + limits.whole_s
    for _ in range(PROCESSES_MAX):
        _run_process(run, whole_s)
        if run.finished() or time.monotonic() > whole_s:
            break
    late = time.monotonic() > whole_s
    took = f"the check took longer than {limits.whole_s:g} s"
    run.fail_rest(f"Not run: {took if late else f'its process ended too early {PROCESSES_MAX} times'}")
    order = {case: number for number, case in enumerate(run.cases)}
    return sorted(run.ended.values(), key=lambda each: order.get(each.case, -1))


def _run_process(run: KitRun, whole_s: float) -> None:
    with tempfile.TemporaryDirectory(prefix="hardpoint-check-", ignore_cleanup_errors=True) as folder:
        order = Order(run.kit, folder, run.words, tuple(run.ended), run.limits.case_s)
        with (Path(folder) / "stderr").open("w+b") as stderr:
            process = subprocess.Popen(
                # -P: what lies in the working directory is no part of the plugin.
                [sys.executable, "-P", "-m", MODULE],
                env=_environment(os.environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
            try:
                in_time = _follow(run, process, order, whole_s)
            finally:
                # Whatever it started is in its session.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
            _judge(run, code, _tail(stderr), in_time=in_time)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if not name.startswith("PYTEST_")}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUNBUFFERED": "1"}


def _follow(run: KitRun, process: subprocess.Popen[bytes], order: Order, whole_s: float) -> bool:
    """Take lines until the process closes them; whether it did so in time."""
    assert process.stdin is not None and process.stdout is not None
    with suppress(BrokenPipeError):
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        process.stdin.close()
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    decoder = msgspec.json.Decoder(Line)
    while True:
        left_s = run.deadline_s(whole_s) - time.monotonic()
        try:
            line = lines.get(timeout=max(0.0, min(left_s, LOOK_S)))
        except queue.Empty:
            # What it forked may hold its stdout open when it is gone.
            if process.poll() is not None:
                return True
            if left_s <= 0:
                return False
            continue
        if not line:
            return True
        run.take(decoder.decode(line))


def _read(stdout: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    with stdout:
        for line in stdout:
            lines.put(line)
    lines.put(b"")


def _judge(run: KitRun, code: int, stderr: str, *, in_time: bool) -> None:
    """Blame the case that was running when the process ended."""
    if not run.current:
        if not run.collected and "" not in run.ended:
            run.ended[""] = Ended("", "failed", f"The process that runs the kit {_end(code)}", stderr)
        return
    if not in_time or "Timeout (" in stderr:
        run.fail_current(f"Not finished after {run.limits.case_s:g} s", stderr)
    else:
        run.fail_current(f"It ended the process, which {_end(code)}", stderr)


def _end(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _tail(stderr: IO[bytes]) -> str:
    stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, stderr.tell() - STDERR_MAX))
    return stderr.read().decode(errors="replace")
