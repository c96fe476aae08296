"""The code blocks of a Markdown page, and what their fences say to the tests.

After the language a fence may say, as `name="value"`:

- `title`: the file that a reader writes the block to, below the folder worked in;
- `notest`: why the block is not run;
- `exit`: the exit code of its last command, if it is not 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

OPTION = re.compile(r'(\w+)="([^"]*)"')
SHELL = frozenset({"console", "sh", "bash"})
SHOWN = frozenset({"text", "mermaid", "diff"})
"""Languages of blocks that are there to be looked at."""
KNOWN = SHELL | SHOWN | {"python", "pycon", "toml", "json", "yaml"}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; an indented one has no language.

    Args:
        line: Of its first line of code in the page, from 1.
        text: Its code, which ends with a line break.
    """

    language: str
    text: str
    line: int
    title: str = ""
    notest: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """What follows `$ ` in a block, and what is printed below it."""

    text: str
    expected: tuple[str, ...]
    line: int


def read_blocks(page: Path) -> list[Block]:
    """Every code block of a page, in order."""
    return list(blocks_of(page.read_text(encoding="utf-8")))


def blocks_of(markdown: str) -> Iterator[Block]:
    """Every code block of a Markdown text, in order."""
    for token in MarkdownIt().parse(markdown):
        start = token.map[0] if token.map else 0
        match token.type:
            case "fence":
                language, _, rest = token.info.partition(" ")
                options = dict(OPTION.findall(rest))
                yield Block(
                    language,
                    token.content,
                    start + 2,
                    options.get("title", ""),
                    options.get("notest", ""),
                    int(options.get("exit", 0)),
                )
            case "code_block":
                yield Block("", token.content, start + 1)
            case _:
                pass


def commands(block: Block) -> list[Command]:
    """The commands of a shell block; without any `$ ` the block is one script.

    Lines that begin with `> `, or follow a `\\` at the end of a line, continue a command.
    """
    if not any(line.startswith("$ ") for line in block.text.splitlines()):
        return [] if block.language == "console" else [Command(block.text, (), block.line)]
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        last = found[-1] if found else None
        if line.startswith("$ "):
            found.append(Command(line[2:], (), number))
        elif last is None:
            raise ValueError(f"line {number}: output before the first command")
        elif not last.expected and (line.startswith("> ") or last.text.endswith("\\")):
            found[-1] = Command(f"{last.text}\n{line.removeprefix('> ')}", (), last.line)
        else:
            found[-1] = Command(last.text, (*last.expected, line), last.line)
    return found
