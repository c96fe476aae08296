"""One shard of a proof that kills, as `tools/prove.py` starts it."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def run_shard(prove: Callable[[Path, int, int, random.Random], dict[str, Any]], *, kills: int) -> int:
    """Run one shard of a proof as the command line says; exit code 1 if a promise was broken.

    Args:
        prove: Called with a folder, the shard's number, how often to kill, and the shard's own dice.
        kills: How often, unless the command line says.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=kills)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = prove(Path(folder), options.shard, options.kills, random.Random(options.shard))
    options.out.write_text(json.dumps(found))
    print(json.dumps(found))
    return 1 if found["broken"] else 0
