"""A host of its own for plugins that do harm: a real executor, workers, and distributions on its path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parents[1] / "hostile_plugins"
PATIENCE_S = 60.0
OUTPUT_MAX = 4_000_000

HOST = """
import json
import logging
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hardpoint.core import workflow
from hardpoint.executor import Executor
from hardpoint.plugin_api import HardpointError, Parameter, TaskDefinition


def flow_of(task_type):
    work = TaskDefinition(
        name=task_type,
        task_type=task_type,
        file=Path(__file__),
        inputs={"value": Parameter(int)},
        outputs={"result": int},
    )

    @workflow
    def flow(value: int) -> int:
        return work(value=value)

    return flow


def said(call):
    try:
        return str(call())
    except HardpointError as error:
        return str(error)


def innocents(executor):
    handles = [executor.submit(flow_of(each), value=1) for each in ("innocent_function", "innocent_job")]
    return [handle.result(30) for handle in handles]
"""


class Site:
    """A folder on the path of hosts, with plugins installed in it, and a store beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "site"
        self.path.mkdir()
        self.install(
            "innocent", (SOURCES / "innocent.py.txt").read_text(), ("innocent_function", "innocent_job")
        )

    def install(
        self,
        name: str,
        source: str,
        task_types: tuple[str, ...] = (),
        *,
        module: str = "",
        groups: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Install distribution `acme-<name>`."""
        module = module or f"acme_{name}"
        entries = {"hardpoint.plugins": task_types, **(groups or {})}
        sections = [
            f"[{group}]\n" + "".join(f"{each} = {module}:plugin\n" for each in names)
            for group, names in entries.items()
            if names
        ]
        metadata = self.path / f"acme_{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(
            "\n".join([*sections, f"[hardpoint.api]\n1.0 = {module}\n"])
        )
        (self.path / f"{module}.py").write_text(source)

    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(self.path),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "HARDPOINT_HOME": str(self.folder / "home"),
        }

    def host(self, act: str) -> tuple[Any, str]:
        """Run a host; what it told in the last line, and all else that it printed."""
        (self.folder / "host.py").write_text(HOST + textwrap.dedent(act))
        done = subprocess.run(
            [sys.executable, "host.py"],
            cwd=self.folder,
            env=self.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        *rest, told = done.stdout.splitlines()
        return json.loads(told), "\n".join(rest)

    def listed(self) -> dict[str, dict[str, Any]]:
        """What `hardpoint plugins list` has, by distribution."""
        done = subprocess.run(
            [sys.executable, "-m", "hardpoint.executor.cli", "plugins", "list", "--json"],
            cwd=self.folder,
            env=self.environ(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        return {each["distribution"]: each for each in json.loads(done.stdout)}
