"""`kill -9` of executors and of their database at random moments: the proofs of `make prove`, in small."""

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
    command = [sys.executable, str(PROOFS / f"{name}.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(out.read_text())
    assert found["broken"] == ""
    return found


@pytest.mark.parametrize("shard", [70, 71], ids=["sqlite", "postgresql"])
def test_functions_and_arrays_outlive_their_executors(shard: int, tmp_path: Path) -> None:
    found = prove("engine_kills", tmp_path / "found.json", shard=shard, kills=4)
    assert found["kills"] == 4


@pytest.mark.parametrize(
    "shard", [80, 83, 84, 87], ids=["token-sqlite", "name-postgresql", "search-sqlite", "array-postgresql"]
)
def test_jobs_are_created_once_whoever_is_killed(shard: int, tmp_path: Path) -> None:
    found = prove("job_kills", tmp_path / "found.json", shard=shard, kills=5)
    assert (found["kills"], found["jobs"]) == (5, 112)
    assert found["faults"] >= 1


def test_executors_outlive_their_database(tmp_path: Path) -> None:
    found = prove("database_kills", tmp_path / "found.json", shard=90, kills=2)
    assert (found["functions"], found["jobs"]) == (270, 64)
