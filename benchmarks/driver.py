"""Run one workload once and say what it cost: see `benchmarks/measure.py`.

python benchmarks/driver.py WORKLOAD N [VARIANT]
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # a script's own folder stands there otherwise
    from benchmarks.measure import main

    sys.exit(main(sys.argv[1:]))
