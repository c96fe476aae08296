"""What is left in the process when a handler is gone: nothing."""

from __future__ import annotations

import gc
import os
import re
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect

CYCLES = 3
ENDED_WITHIN_S = 3.0
_DESCRIPTORS = ("/proc/self/fd", "/dev/fd")
_CHILDREN = Path("/proc/self/task")


class LeakingContract(ContractPart[SwitchT]):
    """Threads, sockets, files and processes."""

    def test_nothing_is_left_behind(
        self, trial: Trial[SwitchT], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An executor makes handlers anew, for years."""

        def cycle() -> None:
            each = trial.another()
            job = each.create()
            each.poll(job)
            each.cancel(job)
            each.context.store.close()

        expect_nothing_left(cycle, tmp_path, monkeypatch)


def expect_nothing_left(cycle: Callable[[], None], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if what is done again and again leaves more each time; the first time may fill caches."""
    cycle()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = _held()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(CYCLES):
            cycle()
        left = _settled(before)
        gc.collect()
    told = ", ".join(f"{count} of {kind}" for kind, count in sorted(left.items()))
    expect(not left, f"Nothing is left of {CYCLES} handlers that are gone, not {told}")
    forgotten = sorted({str(each.message) for each in caught if each.category is ResourceWarning})
    expect(not forgotten, f"What is opened is closed, and not left to the garbage: `{forgotten}`")
    files = sorted(path.name for path in folder.iterdir())
    expect(not files, f"No temporary file is left behind, not `{files}`")


def _settled(before: Counter[str]) -> Counter[str]:
    """What there is more than before, once threads had time to end."""
    deadline = time.monotonic() + ENDED_WITHIN_S
    while True:
        gc.collect()
        left = _held() - before
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _held() -> Counter[str]:
    """Threads by name, open descriptors by kind, and processes."""
    held = Counter(f"the thread `{_without_number(each.name)}`" for each in threading.enumerate())
    folder = next((Path(each) for each in _DESCRIPTORS if Path(each).is_dir()), None)
    for descriptor in [] if folder is None else list(folder.iterdir()):
        try:
            target = os.readlink(descriptor)  # noqa: PTH115 - `Path` would make a path of `socket:[7]`
        except OSError:  # on macOS they are no links; here it was the one that lists the others
            continue
        held[f"the descriptor `{target.partition(':')[0]}`"] += 1
    held["a child process"] = sum(len(each.read_text().split()) for each in _CHILDREN.glob("*/children"))
    return held


def _without_number(name: str) -> str:
    return re.sub(r"\d+", "N", name)
