"""The words behind `run FILE WORKFLOW`."""

from __future__ import annotations

import inspect

import pytest

from hardpoint.executor.cli import app
from hardpoint.executor.cli.options import FLAGS, OPTIONS, RunOptions
from hardpoint.executor.cli.words import parse_words
from hardpoint.plugin_api import Interface, SimpleKind, SimpleType, Variable

INT, STR, BOOL = (SimpleType(kind) for kind in (SimpleKind.INT, SimpleKind.STR, SimpleKind.BOOL))
FACE = Interface(
    (
        Variable("batch_size", INT),
        Variable("name", STR, default="x"),
        Variable("fast", BOOL, default=False),
        Variable("project", STR, default=""),
    )
)


@pytest.mark.parametrize(
    ("words", "texts", "options"),
    [
        ([], {}, {}),
        (["--batch-size", "3"], {"batch_size": "3"}, {}),
        (["--batch_size=3"], {"batch_size": "3"}, {}),
        (["--batch-size", "-3"], {"batch_size": "-3"}, {}),
        (["--name", "-p"], {"name": "-p"}, {}),
        (["--name=--json"], {"name": "--json"}, {}),
        (["--name="], {"name": ""}, {}),
        (["--name", "a=b"], {"name": "a=b"}, {}),
        (["--name=a=b"], {"name": "a=b"}, {}),
        (["--fast"], {"fast": "true"}, {}),
        (["--fast", "--json"], {"fast": "true"}, {"json": True}),
        (["--fast", "False", "--json"], {"fast": "False"}, {"json": True}),
        (["--no-fast"], {"fast": "false"}, {}),
        (["--project", "input"], {"project": "input"}, {}),
        (["-p", "tenant", "-d", "prod"], {}, {"project": "tenant", "domain": "prod"}),
        (["--workers", "4", "--detach", "--home=h"], {}, {"workers": 4, "detach": True, "home": "h"}),
    ],
)
def test_words_become_inputs_and_options(
    words: list[str], texts: dict[str, str], options: dict[str, object]
) -> None:
    parsed = parse_words(words, FACE)
    assert [str(each) for each in parsed.problems] == []
    assert (parsed.texts, parsed.options) == (texts, options)


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["--nmae", "x"], ["No input or option `--nmae`\n\nhint: Did you mean `--name`?"]),
        (
            ["--zzz", "x", "--qqq=1"],
            [
                f"No input or option `{each}`\n\n"
                "hint: The inputs of this workflow: `--batch-size`, `--name`, `--fast`, `--project`"
                for each in ("--zzz", "--qqq")
            ],
        ),
        (["--jsno"], ["No input or option `--jsno`\n\nhint: Did you mean `--json`?"]),
        (["3"], ["`3` belongs to no option\n\nhint: Inputs are given as `--name value`"]),
        (["--name"], ["Option `--name` has no value\n\nhint: Write `--name VALUE`"]),
        (
            ["--name", "--fast"],
            ["Option `--name` has no value\n\nhint: Write `--name=VALUE` for a value that begins with `--`"],
        ),
        (
            ["--name", "a", "--name", "b"],
            ["Input `name` is given twice: `a` and `b`\n\nhint: Give it once"],
        ),
        (
            ["--workers", "none"],
            ["Option `--workers` is `none`, not a number above 0\n\nhint: Write `--workers 4`"],
        ),
        (["--json=1"], ["Option `--json` takes no value, not `1`\n\nhint: Write `--json`"]),
    ],
)
def test_each_mistake_has_one_message(words: list[str], messages: list[str]) -> None:
    assert [str(each) for each in parse_words(words, FACE).problems] == messages


def test_every_option_of_run_may_also_follow_the_workflow() -> None:
    declared = set(inspect.signature(app.run).parameters) - {"file", "name", "inputs"}
    assert declared | {"help"} == set(OPTIONS.values()) == set(RunOptions.__dataclass_fields__)
    defaults = RunOptions()
    assert {name for name in declared | {"help"} if isinstance(getattr(defaults, name), bool)} == FLAGS
