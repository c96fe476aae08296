"""Make `.venv` with the host, every plugin and the development dependencies, all editable.

Runs under any Python 3, so that an old one is told what is wrong instead of failing on syntax.
"""

import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Install; return the exit code."""
    if sys.version_info < OLDEST:
        found, wanted = (".".join(map(str, version)) for version in (sys.version_info[:3], OLDEST))
        sys.stderr.write(
            f"error: `{sys.executable}` is Python {found}; hardpoint needs {wanted} or later\n\n"
            f"hint: run `PYTHON=python{wanted} make ...` with a newer one\n"
        )
        return 1
    venv = ROOT / ".venv"
    python = str(venv / "bin" / "python")
    editable = [argument for folder in (ROOT, *_plugins()) for argument in ("-e", str(folder))]
    commands = [
        [sys.executable, "-m", "venv", str(venv)],
        # Dependency groups are known to pip from 25.1 on; a fresh environment brings an older one.
        [python, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1"],
        [python, "-m", "pip", "install", "--quiet", "--group", f"{ROOT / 'pyproject.toml'}:dev", *editable],
    ]
    print(
        "Installing hardpoint, its plugins and what its tests need into .venv (a minute or two)", flush=True
    )
    for command in commands:
        done = subprocess.run(command, check=False)
        if done.returncode:
            sys.stderr.write(f"error: `{' '.join(command)}` ended with exit code {done.returncode}\n")
            return done.returncode
    return 0


def _plugins() -> list[Path]:
    # Below tests lie plugins that only tests use.
    return [
        path.parent
        for folder in ("plugins", "tests")
        for path in sorted(ROOT.glob(f"{folder}/*/pyproject.toml"))
    ]


if __name__ == "__main__":
    sys.exit(main())
