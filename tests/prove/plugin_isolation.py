"""Fifty healthy plugins and one that fails at import: listing imports none, and all fifty run.

Each shard is one way of failing. Everything is real: distributions on the path, a fresh interpreter,
and a stand-in for a vendor SDK that would tell if it were imported too early.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PLUGINS = 50
WAYS = (
    "raise ValueError('no good')",
    "raise SystemExit(3)",
    "assert False",
    "raise GeneratorExit",
    "class Odd(BaseException): pass\nraise Odd",
    "import a_vendor_sdk_that_is_not_there",
    "plugin = (",
    "class Mute(Exception):\n    def __str__(self): raise SystemExit\nraise Mute",
    "plugin = None",
    "import os\nos._exit(0)",
    "import ctypes\nctypes.string_at(0)",
)
HEALTHY = """
from hardpoint.plugin_api import Shape, TaskType, hookimpl
class Handler:
    def __init__(self):
        import vendor_sdk
    def run(self, context, inputs):
        return {{"result": {number}}}
class Plugin:
    @hookimpl
    def task_types(self):
        return [TaskType("type{number}", Shape.FUNCTION, Handler)]
plugin = Plugin()
"""
PROBE = """
import json, sys
from hardpoint.registry import PluginQuarantinedError, load_registry
registry = load_registry()
rows = [row for row in registry.installed() if row.distribution.startswith("hardpoint-p-")]
early = sorted(name for name in sys.modules if name.startswith("p_") or name in ("vendor_sdk", "stevedore"))
try:
    registry.task_type("broken")
    quarantined = False
except PluginQuarantinedError:
    quarantined = True
ran = sum(registry.run_function(f"type{n}", None, {}) == {"result": n} for n in range(%d))
print(json.dumps([len(rows), early, quarantined, ran]))
"""


def install(site: Path, name: str, task_type: str, source: str) -> None:
    """Write one distribution with one module."""
    module = f"p_{name}"
    folder = site / f"hardpoint_p_{name}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: hardpoint-p-{name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        f"[hardpoint.plugins]\n{task_type} = {module}:plugin\n[hardpoint.api]\n1.0 = {module}\n"
    )
    (site / f"{module}.py").write_text(source)


def main() -> int:
    """Run one shard; return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    ways = WAYS[options.shard :: options.shards]
    for way in ways:
        with tempfile.TemporaryDirectory() as folder:
            site = Path(folder)
            (site / "vendor_sdk.py").write_text("")
            for number in range(PLUGINS):
                install(site, f"n{number}", f"type{number}", HEALTHY.format(number=number))
            install(site, "broken", "broken", way)
            done = subprocess.run(
                [sys.executable, "-c", PROBE % PLUGINS],
                env={**os.environ, "PYTHONPATH": folder, "XDG_CACHE_HOME": folder},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode or json.loads(done.stdout) != [PLUGINS + 1, [], True, PLUGINS]:
                print(way, done.stdout, done.stderr)
                return 1
    options.out.write_text(
        json.dumps({"ways_of_failing": len(ways), "plugins_that_ran": PLUGINS * len(ways)})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
