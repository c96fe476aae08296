"""What user code raises, as the journal keeps it: the author's frames, chains, notes, and no secrets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hardpoint.executor.worker.errors import MAX_MESSAGE_CHARS, MAX_TRACEBACK_CHARS, error_info
from hardpoint.plugin_api import ErrorKind, UserError

if TYPE_CHECKING:
    from tests.executor.conftest import Lab


def test_the_traceback_shows_the_authors_frames_only(lab: Lab) -> None:
    lab.write("lib/helper.py", "def check(x):\n    return 1 / x\n")
    file = lab.write(
        "flow.py",
        """
        from lib.helper import check

        @task
        def f(x: int) -> float:
            return check(x)
        """,
    )
    lab.register(file, "f")
    error = lab.failure("f", x=0)
    assert (error.code, error.message, error.kind) == (
        "ZeroDivisionError",
        "division by zero",
        ErrorKind.USER,
    )
    assert error.bases == ("ArithmeticError", "Exception", "BaseException")
    lines = [line for line in error.traceback.splitlines() if line.strip("~^ ")]
    assert lines == [
        "Traceback (most recent call last):",
        '  File "flow.py", line 8, in f',
        "    return check(x)",
        '  File "lib/helper.py", line 4, in check',
        "    return 1 / x",
        "ZeroDivisionError: division by zero",
    ]


def test_causes_and_notes_are_kept(lab: Lab) -> None:
    file = lab.write(
        "flow.py",
        """
        @task
        def f() -> int:
            try:
                {}["missing"]
            except KeyError as error:
                new = RuntimeError("cannot go on")
                new.add_note("look into the table")
                raise new from error
        """,
    )
    lab.register(file, "f")
    error = lab.failure("f")
    text = error.traceback
    assert text.index("KeyError: 'missing'") < text.index("direct cause") < text.index("cannot go on")
    assert text.endswith("RuntimeError: cannot go on\nlook into the table\n")
    assert "hardpoint/" not in text


def test_whatever_is_raised_fails_only_its_attempt(lab: Lab) -> None:
    file = lab.write(
        "flow.py",
        """
        import sys

        class Bad(Exception):
            def __str__(self):
                raise ValueError

        @task
        def f(how: str) -> int:
            if how == "exit":
                sys.exit(2)
            if how == "interrupt":
                raise KeyboardInterrupt
            if how == "bad":
                raise Bad
            if how == "group":
                raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])
            if how == "deep":
                return f.fn(how)
            return 1
        """,
    )
    lab.register(file, "f")
    found = {how: lab.failure("f", how=how) for how in ("exit", "interrupt", "bad", "group", "deep")}
    assert {how: (error.code, error.message) for how, error in found.items() if how != "deep"} == {
        "exit": ("SystemExit", "The task called `sys.exit(2)`"),
        "interrupt": ("KeyboardInterrupt", "KeyboardInterrupt without a message"),
        "bad": ("Bad", "no text: its `__str__` raised `ValueError`"),
        "group": ("ExceptionGroup", "several (2 sub-exceptions)"),
    }
    assert found["exit"].hint == "Return the outputs, or raise an exception that says what is wrong"
    assert "TypeError: two" in found["group"].traceback
    assert found["deep"].code == "RecursionError"
    assert "[Previous line repeated" in found["deep"].traceback
    assert lab.result("f", how="") == 1


def test_hardpoint_errors_keep_their_kind_hint_and_wait(lab: Lab) -> None:
    file = lab.write(
        "flow.py",
        """
        from hardpoint.plugin_api import ThrottledError, UserError

        @task
        def f(wait: bool) -> int:
            if wait:
                raise ThrottledError("slow down", retry_after_s=7.5)
            raise UserError("no rows", hint="Load some")
        """,
    )
    lab.register(file, "f")
    throttled, user = lab.failure("f", wait=True), lab.failure("f", wait=False)
    assert (throttled.kind, throttled.retry_after_s) == (ErrorKind.THROTTLED, 7.5)
    assert (user.kind, user.message, user.hint) == (ErrorKind.USER, "no rows", "Load some")
    assert "HardpointError" in user.bases


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return caught.value


def test_what_a_plugin_says_in_its_own_words_comes_without_its_lines(tmp_path: Path) -> None:
    refused = raised(UserError("no such column", hint="See the list"))
    assert error_info(refused, code_dir=tmp_path).traceback == ""
    assert "no such column" in error_info(refused, code_dir=Path(__file__).parent).traceback
    broken = raised(UserError("cannot be read"), ValueError("byte 7"))
    assert "ValueError: byte 7" in error_info(broken, code_dir=tmp_path).traceback
    assert "KeyError: 'x'" in error_info(raised(KeyError("x")), code_dir=tmp_path).traceback


def test_long_texts_are_cut_in_the_middle(lab: Lab) -> None:
    file = lab.write(
        "flow.py", "@task\ndef f() -> int:\n    raise ValueError('start' + 'x' * 50_000 + 'end')\n"
    )
    lab.register(file, "f")
    error = lab.failure("f")
    assert len(error.message) <= MAX_MESSAGE_CHARS
    assert len(error.traceback) <= MAX_TRACEBACK_CHARS
    assert error.message.startswith("startxxx")
    assert error.message.endswith("xxxend")
    assert "characters left out …" in error.message


@pytest.mark.parametrize(
    ("body", "code", "hint"),
    [
        (
            "import importlib; importlib.import_module('no' + 'where')",
            "ModuleNotFoundError",
            "A worker has the installed packages and the project files that are imported by an `import` "
            "statement: install `nowhere`, or import it by statement in a file of the workflow",
        ),
        (
            "open(__file__.replace('flow.py', 'data.csv'))",
            "FileNotFoundError",
            "Only imported project files are shipped to workers: pass this one as a `File` input",
        ),
    ],
)
def test_hints_for_what_the_archive_has_not(lab: Lab, body: str, code: str, hint: str) -> None:
    lab.register(lab.write("flow.py", f"@task\ndef f() -> int:\n    {body}\n    return 1\n"), "f")
    error = lab.failure("f")
    assert (error.code, error.hint) == (code, hint)


def test_a_module_that_fails_when_it_is_imported_fails_each_call(lab: Lab) -> None:
    file = lab.write(
        "flow.py",
        """
        if "project" not in __file__:
            raise OSError("not here")

        @task
        def f() -> int:
            return 1
        """,
    )
    lab.register(file, "f")
    for _ in range(2):
        error = lab.failure("f")
        assert (error.code, error.message) == ("OSError", "not here")
        assert error.traceback.startswith('Traceback (most recent call last):\n  File "flow.py", line 5')


def test_a_function_that_a_worker_does_not_find(lab: Lab) -> None:
    file = lab.write(
        "flow.py",
        """
        if "project" in __file__:

            @task
            def f() -> int:
                return 1
        """,
    )
    lab.register(file, "f")
    error = lab.failure("f")
    assert error.message == "`flow.py` defines no `f` when it is imported"
    assert error.hint == 'Define it at the top level of the file, not under `if __name__ == "__main__"`'


def test_secrets_are_set_for_the_attempt_and_masked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDPOINT_SECRET_DB", "hunter22")
    file = lab.write(
        "flow.py",
        """
        import os

        @task(secrets=Secret("db", env="DB_PASSWORD"))
        def connect() -> int:
            raise ConnectionError(f"refused bob:{os.environ['DB_PASSWORD']}")

        @task
        def other() -> str:
            return os.environ.get("DB_PASSWORD", "unset")

        @task(secrets=Secret("nobody", env="X"))
        def missing() -> int:
            return 1
        """,
    )
    lab.register(file, "connect", "other", "missing")
    error = lab.failure("connect")
    assert error.message == "refused bob:***"
    assert "hunter22" not in str(error)
    assert lab.result("other") == "unset"
    missing = lab.failure("missing")
    assert (missing.code, missing.message) == ("SecretMissingError", "Secret `nobody` is not set")


def test_secrets_are_masked_in_what_a_crash_leaves(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDPOINT_SECRET_DB", "hunter22")
    file = lab.write(
        "flow.py",
        """
        import os

        @task(secrets=Secret("db", env="DB"))
        def crash() -> int:
            os.write(2, os.environ["DB"].encode())
            os._exit(1)
        """,
    )
    lab.register(file, "crash")
    assert lab.failure("crash").message.endswith("its last lines on stderr:\n***")
