"""The fakes keep the promises of the protocols they stand for."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hardpoint.plugin_api import (
    Context,
    DirectoryType,
    FileType,
    FunctionContext,
    Interface,
    ListType,
    PermanentSystemError,
    Reference,
    SecretMissingError,
    SimpleKind,
    SimpleType,
    Store,
    TaskSpec,
    TransientError,
    UserError,
    Values,
)
from hardpoint.plugin_api.testing.fakes import FakeContext, MemoryStore, PlainValues, SuddenDeath
from hardpoint.plugin_api.testing.function_context import FakeFunctionContext


def test_fakes_are_what_handlers_are_given() -> None:
    context: Context = FakeContext()
    store: Store = context.store
    values: Values = context.values
    assert values is not None
    assert store is not None


def test_folder_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.txt").write_text("a")
    (tmp_path / "in" / "b.txt").write_text("b")
    store = MemoryStore()
    reference = store.put_directory(tmp_path / "in")
    assert (reference.format, reference.size_bytes) == ("directory", 2)
    assert store.put_directory(tmp_path / "in") == reference
    fetched = store.fetch(reference)
    assert fetched == store.fetch(reference)
    assert (fetched / "deep" / "a.txt").read_text() == "a"
    assert (fetched / "b.txt").read_text() == "b"
    store.close()
    assert not fetched.exists()


def test_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.txt").write_text("x")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(UserError) as caught:
        MemoryStore().put_directory(tmp_path / "in")
    assert str(caught.value) == f"The link `link` leaves the folder `{tmp_path / 'in'}`"


def test_blob_that_was_never_put_is_named() -> None:
    with pytest.raises(PermanentSystemError) as caught:
        MemoryStore().read_bytes(Reference("memory://x", "sha256:x", 1, "bytes"))
    assert str(caught.value) == "Nothing with the digest `sha256:x` was stored"


def test_files_and_folders_cross_as_references(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    values = PlainValues(MemoryStore())
    wire = values.encode(FileType(), tmp_path / "a.txt")
    assert values.decode(FileType(), wire).read_text() == "a"
    folder = values.decode(DirectoryType(), values.encode(DirectoryType(), tmp_path))
    assert (folder / "a.txt").read_text() == "a"


def test_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        PlainValues(MemoryStore()).encode(ListType(SimpleType(SimpleKind.INT)), [1, "x"])
    assert str(caught.value) == 'Expected `int`, got "x" at `[1]`'


def test_missing_secret_is_named() -> None:
    with pytest.raises(SecretMissingError) as caught:
        FakeContext({"OTHER": "x"}).secret("db")
    assert str(caught.value) == ("No secret `db`\n\nhint: Set the environment variable `HARDPOINT_SECRET_DB`")


def test_gate_refuses_writes_when_told() -> None:
    context = FakeContext()
    context.calls.refuse_writes(TransientError("The execution was taken over"))
    with context.calls.read():
        pass
    with pytest.raises(TransientError), context.calls.write():
        pass
    assert (context.calls.reads, context.calls.writes) == (1, 0)


def test_gate_stands_for_a_process_that_dies_before_or_after_a_call() -> None:
    before, after = FakeContext(), FakeContext()
    before.calls.die_before_write(2)
    after.calls.die_after_write(2)
    made: list[str] = []
    for name, context in (("before", before), ("before", before), ("after", after), ("after", after)):
        with suppress(SuddenDeath), context.calls.write():
            made.append(name)
    assert made == ["before", "after", "after"]


def test_function_context_keeps_what_it_is_told(tmp_path: Path) -> None:
    spec = TaskSpec("flow.py:report", "notebook", "v1", Interface())
    given = FakeFunctionContext(spec, tmp_path, tmp_path / "attempt", {"KEY": "s3cret"})
    context: FunctionContext = given
    assert (context.secret("KEY"), list(context.scratch_dir.iterdir())) == ("s3cret", [])
    reference = context.store.put_bytes(b"page", format="html")
    context.progress(1, 2, "half")
    context.artifact("Report", reference)
    assert (given.noted, given.artifacts) == ([(1, 2, "half")], {"Report": reference})


def test_log_lines_stay_with_their_context() -> None:
    first, second = FakeContext(), FakeContext()
    first.logger.warning("job %s", "j1")
    assert (first.logged, second.logged) == (["job j1"], [])


def test_kit_is_not_imported_with_the_vocabulary() -> None:
    code = (
        "import sys, hardpoint.plugin_api; print([m for m in sys.modules if 'testing' in m or 'pytest' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_fakes_and_service_do_not_need_pytest() -> None:
    code = (
        "import sys, hardpoint.plugin_api.testing.fakes, hardpoint.plugin_api.testing.jobservice; "
        "print('pytest' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
