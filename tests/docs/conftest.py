"""Which blocks of the documentation are not run, and why: printed below the results."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.docs.pages import left_out


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what is left out."""
    terminalreporter.write_sep("-", "code blocks that are not run")
    counted = Counter((page, reason) for page, _, reason in left_out())
    for (page, reason), number in counted.items():
        terminalreporter.write_line(f"{page}: {number} of {reason}" if number > 1 else f"{page}: {reason}")
