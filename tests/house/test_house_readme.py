"""Commands in the README work as printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def commands(markdown: str) -> list[str]:
    """What follows `$ ` in fenced `console` blocks; a trailing backslash continues the line."""
    blocks = re.findall(r"^```console\n(.*?)^```", markdown, flags=re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", "").splitlines()
    return [line.removeprefix("$ ").strip() for line in lines if line.startswith("$ ")]


def runnable(command: str) -> list[str] | None:
    """The words to run for a printed command; None for one that this test leaves alone.

    `make` is only asked what it would do: `make demo` runs the example that other tests run already, and
    `make test` would run this test.
    """
    words = shlex.split(command)
    match words:
        case ["hardpoint", *rest]:
            return [str(BIN / "hardpoint"), *rest]
        case ["make", *rest]:
            return ["make", "-n", *(word for word in rest if word != "-n")]
        case _:
            return None


def test_commands_are_read_from_console_blocks_alone() -> None:
    sample = """
text `$ hardpoint nothing`
```console
$ hardpoint run flow.py \\
    main
done
$ make test
```
```python
$ hardpoint not-a-command
```
"""
    assert commands(sample) == ["hardpoint run flow.py     main", "make test"]
    assert runnable("make -n test") == ["make", "-n", "test"]
    assert runnable("pip install hardpoint") is None


def test_every_command_of_the_readme_works(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HARDPOINT_HOME": str(tmp_path / "home"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    failed = {}
    for command in commands((ROOT / "README.md").read_text(encoding="utf-8")):
        words = runnable(command)
        if words is None:
            continue
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            failed[command] = done.stdout + done.stderr
    assert failed == {}
