"""The program of the README is short, and prints what the README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def blocks(page: str) -> list[str]:
    """The Python blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def test_the_program_of_the_readme_is_short_and_prints_what_it_says(tmp_path: Path) -> None:
    program, face = blocks("README.md")[:2]
    assert len([line for line in program.splitlines() if line.strip()]) <= 15
    (tmp_path / "page.py").write_text(program + face)
    environment = {**os.environ, "HARDPOINT_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[0] == "6 words and 3 words"
    command = f"hardpoint run examples/hello/flow.py hello --second {chr(34)}here we go{chr(34)}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert command in readme
    assert "result = " + chr(34) + "6 words and 3 words" in readme
