"""Run every check of the repository and print how long each took: what `make test` and CI run.

Fails if a suite fails, if the whole takes longer than the limit, or if pytest skipped a test for a
reason other than the platform (`platform: …`): everything else that a test needs is installed.
"""

from __future__ import annotations

import argparse
import ast
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

LIMIT_S = 25 * 60
ROOMS = ("plugin_api", "core", "registry", "executor", "contrib")
ALLOWED_SKIP = "platform:"
NOTHING_COLLECTED = 5


@dataclass(frozen=True, slots=True)
class Suite:
    """One command whose exit code 0 means that all is well."""

    name: str
    command: tuple[str, ...]
    is_pytest: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a suite."""

    suite: Suite
    seconds: float
    problem: str
    output: str
    tests: int = 0
    skipped: tuple[str, ...] = field(default=())


def suites(root: Path) -> Iterator[Suite]:
    """Every suite, in the order of the table."""
    tool = str(Path(sys.executable).parent)
    yield Suite("ruff check", (f"{tool}/ruff", "check", "."))
    yield Suite("ruff format", (f"{tool}/ruff", "format", "--check", "."))
    yield Suite("mypy", (f"{tool}/mypy",))
    yield Suite("lint-imports", (f"{tool}/lint-imports",))
    for folder in sorted(root.glob("tests/*/")):
        if next(folder.rglob("test_*.py"), None):
            yield _pytest(root, folder)
    for room in ROOMS:
        if any(">>> " in path.read_text(encoding="utf-8") for path in (root / room).rglob("*.py")):
            yield _pytest(root, root / room)
    for plugin in sorted(root.glob("plugins/*/pyproject.toml")):
        yield _pytest(root, plugin.parent)


def _pytest(root: Path, folder: Path) -> Suite:
    name = folder.relative_to(root).as_posix()
    return Suite(name, (sys.executable, "-m", "pytest", "-q", "--no-header", name), is_pytest=True)


def run(suite: Suite, root: Path, deadline: float) -> Result:
    """Run one suite; end it, with everything it started, at the deadline (on the monotonic clock)."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [*suite.command, f"--junitxml={report}"] if suite.is_pytest else list(suite.command)
        process = subprocess.Popen(
            command,
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=max(1.0, deadline - started))
            problem = f"exit code {process.returncode}" if process.returncode else ""
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            problem = "not finished in time"
        tests, skipped = _read(report) if report.exists() else (0, ())
        if process.returncode == NOTHING_COLLECTED and suite.is_pytest:
            # Modules that skip themselves as a whole leave nothing to collect; the reasons are judged below.
            problem = "" if skipped else "no test found"
    wrong = [reason for reason in skipped if not reason.startswith(ALLOWED_SKIP)]
    if wrong and not problem:
        problem = f"skipped {len(wrong)}"
        output += "".join(f"\nskipped, but not for the platform: {reason}" for reason in wrong)
    return Result(suite, time.monotonic() - started, problem, output, tests, skipped)


def _read(report: Path) -> tuple[int, tuple[str, ...]]:
    cases = list(ET.parse(report).getroot().iter("testcase"))
    skips = [skip for case in cases for skip in case.findall("skipped") if skip.get("type") != "pytest.xfail"]
    return len(cases), tuple(map(_reason, skips))


def _reason(skip: ET.Element) -> str:
    """Why a test, or a whole module, was skipped; a module's reason is the last item of a printed tuple."""
    if skip.get("message") != "collection skipped":
        return skip.get("message", "")
    _, _, reason = ast.literal_eval(skip.text or "")
    return str(reason).removeprefix("Skipped: ")


def table(results: Sequence[Result], total_s: float) -> str:
    """Minutes per suite, and the whole."""
    width = max((len(each.suite.name) for each in results), default=0)
    lines = [f"{'suite':<{width}}  minutes  tests  result"]
    for each in results:
        tests = str(each.tests) if each.suite.is_pytest else ""
        lines.append(
            f"{each.suite.name:<{width}}  {each.seconds / 60:7.2f}  {tests:>5}  {each.problem or 'ok'}"
        )
    tests = str(sum(each.tests for each in results))
    lines.append(f"{'whole':<{width}}  {total_s / 60:7.2f}  {tests:>5}  limit {LIMIT_S / 60:.0f}")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("only", nargs="*", help="names of suites; default: all")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="suites at a time")
    options = parser.parse_args(arguments)
    chosen = [each for each in suites(options.root) if not options.only or each.name in options.only]
    if not chosen:
        parser.error(f"no such suite: {', '.join(options.only)}")
    started = time.monotonic()
    deadline = started + LIMIT_S
    done: dict[str, Result] = {}
    with ThreadPoolExecutor(options.jobs) as threads:
        for future in as_completed(threads.submit(run, each, options.root, deadline) for each in chosen):
            result = future.result()
            done[result.suite.name] = result
            print(f"{'FAILED' if result.problem else 'ok':<6}  {result.suite.name}", flush=True)
            if result.problem:
                print(result.output, flush=True)
    total_s = time.monotonic() - started
    print("\n" + table([done[each.name] for each in chosen], total_s))
    return 1 if total_s > LIMIT_S or any(each.problem for each in done.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
