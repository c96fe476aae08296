"""A hundred thousand simulated worlds: random workflows, seeded schedules of faults, the real engine.

Each shard runs a slice of the seeds in one process, so a run that was interrupted goes on with the next
slice. `python -m tests.simulation --trace SEED` shows what happened in one of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run one shard; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=100_000, help="of all shards together")
    options = parser.parse_args()
    first = options.seeds * options.shard // options.shards
    last = options.seeds * (options.shard + 1) // options.shards - 1
    command = [
        sys.executable,
        "-m",
        "tests.simulation",
        "--json",
        "--jobs",
        "1",
        "--seeds",
        f"{first}..{last}",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not done.stdout:
        print(done.stderr)
        return 1
    found = json.loads(done.stdout)
    broken = "; ".join(f"seed {seed}: {problem}" for seed, problem in found["failed"].items())
    counted = {name: found[name] for name in ("seeds", "virtual_hours", "steps")}
    options.out.write_text(json.dumps({**counted, "first_seed": str(first), "broken": broken}))
    print(broken or f"seeds {first} to {last} held, {found['seeds_per_s']} seeds/s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
