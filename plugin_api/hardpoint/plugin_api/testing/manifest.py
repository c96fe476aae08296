"""Whether a plugin's manifest says what the plugin declares, as a line in its tests.

def test_the_manifest_is_current() -> None:
    expect_current_manifest("hardpoint-acme")
"""

from __future__ import annotations

import subprocess
import sys


def expect_current_manifest(name: str) -> None:
    """Hold the manifest of an installed plugin against what it declares, in a process of its own.

    Args:
        name: A task type, or the distribution: then all its plugins.

    Raises:
        AssertionError: It is missing or not current; the message tells the difference and what helps.
    """
    command = [sys.executable, "-m", "hardpoint.executor.cli", "plugins", "manifest", name, "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
