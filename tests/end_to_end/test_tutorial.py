"""The authors' tutorial, typed in as printed: its plugin is short, runs, and passes its check."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.docs.code_blocks import Block, read_blocks
from tests.docs.page_run import PageRun

PAGE = Path(__file__).resolve().parents[2] / "docs" / "authors" / "tutorial.md"
SAYS_LINES = 35


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return read_blocks(PAGE)


def commands_of(blocks: list[Block]) -> str:
    return "".join(block.text for block in blocks if block.language == "console")


def test_nothing_of_it_is_left_out(blocks: list[Block]) -> None:
    assert [block.notest for block in blocks] == [""] * len(blocks)
    for command in ("pip install -e .", "hardpoint run flow.py main", "hardpoint plugins check echo"):
        assert f"$ {command}" in commands_of(blocks)


def test_its_plugin_is_as_short_as_it_says(blocks: list[Block]) -> None:
    [module] = [block.text for block in blocks if block.title == "hardpoint_echo.py"]
    body = ast.parse(module).body
    first = next(each.lineno for each in body if not isinstance(each, ast.Expr | ast.Import | ast.ImportFrom))
    code = [line for line in module.splitlines()[first - 1 :] if line.strip()]
    assert "thirty-five lines" in PAGE.read_text(encoding="utf-8").splitlines()[0]
    assert len(code) <= SAYS_LINES, "\n".join(code)


def test_typed_in_as_printed_its_plugin_runs_and_passes(blocks: list[Block], tmp_path: Path) -> None:
    # A command that fails, or prints something else than the page shows, is an `AssertionError`.
    PageRun("docs/authors/tutorial.md", tmp_path).run(blocks)
    assert "echo: ... passed, 0 failed, ... skipped" in commands_of(blocks)
    assert 'result = "hello"' in commands_of(blocks)
    assert (tmp_path / "page" / "hardpoint-acme" / "pyproject.toml").is_file()
