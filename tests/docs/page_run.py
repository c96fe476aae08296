"""Run the blocks of a page as a reader would: one after the other, in a folder of the page's own.

Commands see the environment this runs in, through a virtual environment that belongs to the page: what a page
installs is gone with it, and nothing is fetched from the network. `make` only says what it would do.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sysconfig
import tomllib
import venv
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from tests.docs.code_blocks import SHELL, Block, Command, commands
from tests.docs.pages import ROOT
from tests.docs.printed_output import agrees

from hardpoint.executor.config.reading import settings_from
from hardpoint.plugin_api import HardpointError

LIMIT_S = 60.0
PROGRAMS = {"hardpoint": "hardpoint.executor.cli", "pip": "pip", "pytest": "pytest"}
OPERATORS_TABLES = {"pools", "rates", "tenants", "local", "plugins"}


@dataclass(slots=True)
class PageRun:
    """The state of one page while its blocks are run.

    Args:
        name: How the page is called in messages.
        scratch: An empty folder.
    """

    name: str
    scratch: Path
    _environment: dict[str, str] = field(init=False)
    _groups: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the page's folder, home and virtual environment."""
        for path in (self.folder, self.scratch / "home"):
            path.mkdir()
        self._cwd.write_text(str(self.folder))
        self._exports.touch()
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HARDPOINT_", "PYTEST_", "PYTHON", "PIP_", "COV_"))
        }
        self._environment = kept | {
            "HOME": str(self.scratch / "home"),
            "HARDPOINT_HOME": str(self.folder / ".hardpoint"),
            "PATH": f"{_environment_of_the_page(self.scratch / 'venv')}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "120",
            "TERM": "dumb",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
        }

    @property
    def folder(self) -> Path:
        """Where the page's first command runs."""
        return self.scratch / "page"

    @property
    def _here(self) -> Path:
        """Where the last command ended: a reader's terminal is there too."""
        return Path(self._cwd.read_text().strip())

    @property
    def _cwd(self) -> Path:
        return self.scratch / "cwd"

    @property
    def _exports(self) -> Path:
        return self.scratch / "exports"

    def run(self, blocks: list[Block]) -> None:
        """Run every block that can be run.

        Python blocks without a title are one program, which runs where the last of them stands.

        Raises:
            AssertionError: One did not do what the page says.
        """
        try:
            self._run_all(blocks)
        finally:
            # What a page starts with `&` outlives its command.
            for group in self._groups:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)

    def _run_all(self, blocks: list[Block]) -> None:
        program = [block for block in blocks if block.language == "python" and not block.title]
        for block in blocks:
            self._check(block)
            if block.title:
                path = self._here / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif program and block is program[-1]:
                self._run_program(program)
            elif block.language in SHELL:
                found = commands(block)
                assert found, f"{self.name}:{block.line}: no line begins with `$ `"
                for each in found:
                    self._run_command(each, block.exit_code if each is found[-1] else 0)

    def _check(self, block: Block) -> None:
        """Parse what is data, and what is written to a file of Python."""
        try:
            match block.language:
                case "python":
                    ast.parse(block.text)
                case "json":
                    json.loads(block.text)
                case "yaml":
                    yaml.safe_load(block.text)
                case "toml":
                    raw = tomllib.loads(block.text)
                    if block.title == "hardpoint.toml" or (
                        not block.title and raw.keys() <= OPERATORS_TABLES
                    ):
                        settings_from(raw, f"{self.name}:{block.line}")
                case _:
                    pass
        except (SyntaxError, ValueError, yaml.YAMLError, HardpointError) as error:
            raise AssertionError(f"{self.name}:{block.line}: {error}") from error

    def _run_program(self, blocks: list[Block]) -> None:
        """Run Python blocks as one file, with every line where it is in the page."""
        lines: list[str] = []
        for block in blocks:
            lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
        (self._here / "page.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
        code, output = self._bash("python page.py")
        assert code == 0, f"{self.name}: its Python, with lines as in the page, fails\n{output}"

    def _run_command(self, command: Command, wanted: int) -> None:
        code, output = self._bash(command.text)
        place = f"{self.name}:{command.line}: $ {command.text}\n"
        assert code == wanted, f"{place}exit code {code}, not {wanted}\n{output}"
        shown = "\n".join(command.expected)
        assert not shown.strip() or agrees(command.expected, output), (
            f"{place}--- the page shows\n{shown}\n--- it printed\n{output}"
        )

    def _bash(self, script: str) -> tuple[int, str]:
        """Run a script where the last one ended, with what it exported; return exit code and output."""
        process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'. "$0"; cd "$(cat "$1")"; trap \'export -p > "$0"; pwd > "$1"\' EXIT\n{script}',
                str(self._exports),
                str(self._cwd),
            ],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._groups.append(process.pid)
        try:
            output, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            output += f"\nnot finished after {LIMIT_S:.0f} s"
        return process.returncode, output


def _environment_of_the_page(folder: Path) -> Path:
    """Make a virtual environment that sees this one's packages; return the folder of its programs."""
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    ours = sysconfig.get_path("purelib")
    (site / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    programs = folder / "bin"
    for name, module in PROGRAMS.items():
        _program(programs / name, f'exec "{programs}/python" -m {module} "$@"')
    make = shutil.which("make") or "make"
    _program(programs / "make", f'exec "{make}" -n -C "{ROOT}" "$@"')
    return programs


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
