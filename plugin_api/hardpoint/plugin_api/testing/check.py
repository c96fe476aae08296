"""Runs one kit with pytest in a process of its own: `python -m hardpoint.plugin_api.testing.check`.

An `Order` comes on stdin; `Line`s go to stdout. No plugin of pytest is loaded but its own and the one in
here, and no configuration of pytest is read: the same suite gives the same result in every project.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import traceback
from collections.abc import Generator
from pathlib import Path
from typing import IO

import msgspec
import pytest

from hardpoint.plugin_api.testing.check_lines import Began, Collected, Ended, Line, Order

MODULE = """
import importlib, operator
module, _, name = {kit!r}.partition(":")
TestKit = operator.attrgetter(name)(importlib.import_module(module))
"""
OPTIONS = (
    "--import-mode=importlib",
    "--noconftest",
    *("-p", "no:cacheprovider"),
    *("-p", "no:faulthandler"),
    *("-p", "no:terminal"),
)


class Reporter:
    """A plugin of pytest that tells what happens, line by line.

    Args:
        order: What runs.
        lines: Where lines go.
        stacks: Where the stacks of all threads go when a case takes too long.
    """

    def __init__(self, order: Order, lines: IO[bytes], stacks: IO[bytes]) -> None:
        self._order = order
        self._lines = lines
        self._stacks = stacks
        self._ended: dict[str, Ended] = {}

    def tell(self, line: Line) -> None:
        """Write one line."""
        self._lines.write(msgspec.json.encode(line) + b"\n")
        self._lines.flush()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what was done before."""
        done = set(self._order.done)
        items[:] = [item for item in items if item.name not in done]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell what is going to run."""
        self.tell(Collected(tuple(item.name for item in session.items)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell why the kit cannot be imported."""
        if report.failed:
            told = str(report.longrepr)
            self.tell(Ended("", "failed", told.strip().rpartition("\n")[2].removeprefix("E").strip(), told))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell that a case begins, and bound its time."""
        case = _case(nodeid)
        self._ended.pop(case, None)
        self.tell(Began(case))
        faulthandler.dump_traceback_later(self._order.case_limit_s, exit=True, file=self._stacks)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep what became of a case: the first thing that went wrong in it."""
        report = yield
        known = self._ended.get(item.name)
        if known is None or known.outcome == "passed":
            self._ended[item.name] = _ended(item.name, report, call)
        return report

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Tell what became of the case."""
        faulthandler.cancel_dump_traceback_later()
        case = _case(nodeid)
        self.tell(self._ended.get(case, Ended(case, "failed", "It left no report")))


def _case(nodeid: str) -> str:
    return nodeid.split("::", 2)[2]


def _ended(case: str, report: pytest.TestReport, call: pytest.CallInfo[None]) -> Ended:
    error = call.excinfo.value if call.excinfo else None
    if report.passed or error is None:
        return Ended(case, "passed")
    if report.skipped:
        return Ended(case, "skipped", getattr(report, "wasxfail", "") or str(error))
    if isinstance(error, AssertionError) and str(error):
        return Ended(case, "failed", str(error).partition("\n")[0])
    told = traceback.TracebackException.from_exception(error)
    told.stack = traceback.StackSummary.from_list(
        [each for each in told.stack if not _of_pytest(each.filename)]
    )
    when = "" if report.when == "call" else f" in its {report.when}"
    said = f"{type(error).__name__}: {error}".partition("\n")[0].removesuffix(": ")
    return Ended(case, "failed", f"Raised{when}: {said}", "".join(told.format()))


def _of_pytest(filename: str) -> bool:
    return any(part in ("_pytest", "pluggy") for part in Path(filename).parts)


def main() -> None:
    """Run what is ordered on stdin."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    # What a plugin prints goes to stderr; and pytest puts something else in place of both.
    lines, stacks = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(2), "wb")
    os.dup2(2, 1)
    faulthandler.enable(file=stacks)
    reporter = Reporter(order, lines, stacks)
    code = pytest.main(_arguments(order), plugins=[reporter])
    if code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        reporter.tell(Ended("", "failed", f"pytest ended with `{pytest.ExitCode(code).name}`"))
    sys.stderr.flush()
    # Threads that the plugin left behind may never end.
    os._exit(0)


def _arguments(order: Order) -> list[str]:
    folder = Path(order.folder)
    module, settings = folder / "test_kit.py", folder / "pytest.ini"
    module.write_text(MODULE.format(kit=order.kit), encoding="utf-8")
    settings.write_text("[pytest]\npython_classes = TestKit\n", encoding="utf-8")
    words = ("-k", order.words) if order.words else ()
    base = folder / f"tmp-{os.getpid()}"
    return [
        *OPTIONS,
        "-c",
        str(settings),
        "--rootdir",
        str(folder),
        f"--basetemp={base}",
        *words,
        str(module),
    ]


if __name__ == "__main__":
    main()
