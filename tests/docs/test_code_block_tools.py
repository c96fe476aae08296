"""What reads and runs code blocks finds what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.code_blocks import Block, Command, blocks_of, commands
from tests.docs.page_run import PageRun
from tests.docs.printed_output import agrees

PAGE = """
# A page

```python title="flow.py"
x = 1
```

- In a list:

  ```console exit="2" notest="needs a cluster"
  $ hardpoint run
  ```

After the list:

    an indented block
"""


def console(text: str, exit_code: int = 0) -> Block:
    return Block("console", text, 1, exit_code=exit_code)


def python(text: str, line: int = 1, title: str = "") -> Block:
    return Block("python", text, line, title)


def test_blocks_are_read_with_what_their_fences_say() -> None:
    assert list(blocks_of(PAGE)) == [
        Block("python", "x = 1\n", 5, title="flow.py"),
        Block("console", "$ hardpoint run\n", 11, notest="needs a cluster", exit_code=2),
        Block("", "an indented block\n", 16),
    ]


def test_commands_are_told_from_their_output() -> None:
    text = "$ cat <<EOF\n> a\n> EOF\na\n$ echo b \\\n   c\n$ true\n"
    assert commands(console(text)) == [
        Command("cat <<EOF\na\nEOF", ("a",), 1),
        Command("echo b \\\n   c", (), 5),
        Command("true", (), 7),
    ]
    assert commands(Block("sh", "cd x\nls\n", 3)) == [Command("cd x\nls\n", (), 3)]
    assert commands(console("nothing typed\n")) == []


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("Run `20261121-091402-k3x7q` took 1.5 s", "Run `20270101-000000-aaaaa` took 2 min 03 s"),
        ("a    b\n\n  c", "a b\nc\n"),
        ("first\n...\nlast", "first\nx\ny\nlast\n"),
        ("...\nlast", "last\n"),
        ("at .cache/58…/x", "at .cache/58ab99/x"),
        ("digest ea46ec7ac57f", "digest 0123456789abcdef"),
        ("10:00:00 a STARTED\n10:00:01 b STARTED", "11:11:11 b STARTED\n11:11:11 a STARTED\n"),
    ],
)
def test_what_may_differ_agrees(shown: str, printed: str) -> None:
    assert agrees(shown.splitlines(), printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("result = 3", "result = 4\n"),
        ("a", "a\nb\n"),
        ("a\nb", "b\na\n"),
        ("a.c", "abc\n"),
        ("10:00:00 a STARTED", "10:00:00 a FAILED\n"),
    ],
)
def test_what_may_not_differ_does_not_agree(shown: str, printed: str) -> None:
    assert not agrees(shown.splitlines(), printed)


def test_a_page_is_run_in_order_and_keeps_folder_and_variables(tmp_path: Path) -> None:
    run = PageRun("page", tmp_path)
    run.run(
        [
            console("$ mkdir inner && cd inner\n$ export WHO=me\n"),
            python("who = 'file'\n", title="deep/module.py"),
            python("answer = 41\n", line=8),
            console("$ cat deep/module.py; echo $WHO\nwho = 'file'\nme\n"),
            python("from pathlib import Path\nPath('answer').write_text(str(answer + 1))\n", line=20),
            console("$ cat answer\n42\n$ exit 3\n", exit_code=3),
        ]
    )
    program = (run.folder / "inner" / "page.py").read_text().splitlines()
    assert [program[7], program[19]] == ["answer = 41", "from pathlib import Path"]


def test_what_a_page_installs_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    run = PageRun("page", tmp_path / "page")
    run.run([console("$ pip install hardpoint\n...\n$ which hardpoint python\n...\n")])
    where = run.folder / "where"
    run.run([console(f"$ which hardpoint > {where}\n")])
    assert where.read_text().startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (console("$ false\n"), "exit code 1, not 0"),
        (console("$ echo a\nb\n"), "--- it printed\na"),
        (console("just words\n"), "no line begins with"),
        (python("1 / 0\n", line=7), "line 7"),
        (python("def\n"), "invalid syntax"),
        (python("def\n", title="flow.py"), "invalid syntax"),
        (Block("json", "{", 1), "page:1"),
        (Block("yaml", "a: [", 1), "page:1"),
        (Block("toml", "a =", 1), "page:1"),
        (Block("toml", "[pools.x]\ncapasity = 1\n", 1), "capasity"),
    ],
)
def test_a_block_that_is_wrong_is_found(block: Block, problem: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="page:") as failure:
        PageRun("page", tmp_path).run([block])
    assert problem in str(failure.value)
