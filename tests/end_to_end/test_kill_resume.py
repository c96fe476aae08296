"""`kill -9` of the engine at random moments; resuming completes the run and repeats next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROOF = Path(__file__).parents[1] / "prove" / "engine_kills.py"


def test_a_run_killed_eight_times_is_completed_without_repeating_what_was_journaled(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    command = [
        sys.executable,
        str(PROOF),
        "--shard",
        "77",
        "--shards",
        "1",
        "--kills",
        "8",
        "--out",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert found["kills"] >= 6
    assert found["broken"] == ""
