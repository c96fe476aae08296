"""`kill -9` of the engine at random moments: the proofs of `make prove`, in small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROOFS = Path(__file__).parents[1] / "prove"


def prove(name: str, out: Path, *, shard: int, kills: int) -> dict[str, Any]:
    """Run one shard of a proof; return what it found."""
    words = ["--shard", str(shard), "--shards", "100", "--kills", str(kills), "--out", str(out)]
    command = [sys.executable, str(PROOFS / name), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_a_run_killed_eight_times_is_completed_without_repeating_what_was_journaled(tmp_path: Path) -> None:
    found = prove("engine_kills.py", tmp_path / "found.json", shard=77, kills=8)
    assert found["kills"] >= 6
    assert found["broken"] == ""


@pytest.mark.parametrize("shard", [90, 91, 92])
def test_an_engine_killed_over_a_lossy_service_starts_one_job_for_each_attempt(
    shard: int, tmp_path: Path
) -> None:
    found = prove("job_kills.py", tmp_path / "found.json", shard=shard, kills=3)
    assert found["kills"] >= 1
    assert found["faults"] >= 1
    assert (found["jobs"], found["broken"]) == (60, "")
