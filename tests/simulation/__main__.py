"""Run simulated worlds: `python -m tests.simulation --seeds 0..999`; show one: `... --trace 17`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence

from tests.simulation.seeds import Tally, parse_seeds, run_seeds
from tests.simulation.trace import trace


def main(arguments: Sequence[str]) -> int:
    """Run; return the exit code: 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=parse_seeds, default=range(1000), help="A..B, both included")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--trace", type=int, metavar="SEED", help="print everything that happens for one seed"
    )
    options = parser.parse_args(arguments)
    if options.trace is not None:
        return _print_trace(options.trace)
    tally = run_seeds(options.seeds, options.jobs)
    print(json.dumps(_as_json(tally)) if options.json else _as_text(tally))
    return 1 if tally.failed else 0


def _print_trace(seed: int) -> int:
    logging.disable(logging.CRITICAL)
    lines, ending = trace(seed)
    print("\n".join(lines))
    print(f"seed {seed}: {ending.problem or 'every promise held'}; digest {ending.digest}")
    return 1 if ending.problem else 0


def _as_json(tally: Tally) -> dict[str, object]:
    return {
        "seeds": tally.seeds,
        "seeds_per_s": round(tally.seeds_per_s, 1),
        "virtual_hours": round(tally.virtual_s / 3600, 1),
        "steps": tally.steps,
        "digest": tally.digest,
        "failed": {str(ending.seed): ending.problem for ending in tally.failed},
    }


def _as_text(tally: Tally) -> str:
    lines = [f"seed {ending.seed}: {ending.problem}" for ending in tally.failed]
    lines.append(
        f"{tally.seeds} seeds, {len(tally.failed)} failed, {tally.seeds_per_s:.1f} seeds/s, "
        f"{tally.virtual_s / 3600:.1f} virtual hours"
    )
    if tally.failed:
        lines.append(f"`python -m tests.simulation --trace {tally.failed[0].seed}` shows what happened")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
