"""Functions: what runs in a worker process that is used again for other attempts."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from hardpoint.plugin_api.context import Outputs
from hardpoint.plugin_api.errors import ErrorKind, HardpointError
from hardpoint.plugin_api.handler import CreateRequest, FunctionHandler, Shape
from hardpoint.plugin_api.testing.contract.discovering import DiscoveringContract, expect
from hardpoint.plugin_api.testing.contract.leaking import expect_nothing_left
from hardpoint.plugin_api.testing.contract.results import expect_outputs
from hardpoint.plugin_api.testing.contract.secrecy import expect_silent
from hardpoint.plugin_api.testing.function_context import FakeFunctionContext


class FunctionTrial:
    """One handler, its task's files, and a context of its own for each run."""

    def __init__(self, contract: FunctionContract, folder: Path) -> None:
        self.contract = contract
        self.type = contract.task_type()
        self.handler = cast(FunctionHandler, self.type.handler())
        self.code_dir = folder / "code"
        self.code_dir.mkdir()
        self.contexts: list[FakeFunctionContext] = []
        self._folder = folder
        self._numbers = count(1)

    def request(self) -> CreateRequest:
        """An attempt that succeeds."""
        return self.contract.request(self.code_dir)

    def run(self, request: CreateRequest, handler: FunctionHandler | None = None) -> Outputs:
        """Run one attempt as a worker does."""
        folder = self._folder / f"attempt-{next(self._numbers)}"
        context = FakeFunctionContext(request.spec, self.code_dir, folder, self.contract.secrets)
        self.contexts.append(context)
        try:
            return (handler or self.handler).run(context, request.inputs)
        finally:
            shutil.rmtree(folder)

    def run_to_failure(self) -> Exception:
        """Run the attempt whose code fails; skips the case if there is none."""
        if type(self.contract).failing_request is FunctionContract.failing_request:
            pytest.skip("There is no `failing_request`")
        request = self.contract.failing_request(self.code_dir)
        try:
            outputs = self.run(request)
        except Exception as error:
            return error
        raise AssertionError(f"The attempt of `failing_request` fails, and returns not `{outputs}`")


class FunctionContract(DiscoveringContract):
    """The whole suite for a function-shaped task type; subclass it in a test module."""

    def request(self, code_dir: Path) -> CreateRequest:
        """An attempt that succeeds, and gives the same each time; put the files it needs into `code_dir`."""
        raise NotImplementedError

    def failing_request(self, code_dir: Path) -> CreateRequest:
        """The same with code of the task's author that raises."""
        raise NotImplementedError

    @pytest.fixture
    def trial(self, tmp_path: Path) -> Iterator[FunctionTrial]:
        """The handler under test."""
        trial = FunctionTrial(self, tmp_path)
        yield trial
        for context in trial.contexts:
            context.store.close()

    @pytest.fixture
    def example_config(self, trial: FunctionTrial) -> dict[str, Any]:
        """The config of the request on trial."""
        return trial.request().spec.config

    def test_declares_its_shape(self) -> None:
        """And a name that can stand in a pool's name."""
        declared = self.task_type()
        name = declared.name
        expect(declared.shape is Shape.FUNCTION, f"Task type `{name}` has the shape `function`")
        expect(name == name.lower() and ":" not in name, f"`{name}` is lower case, without `:`")

    def test_claims_name_pools_of_this_type(self, trial: FunctionTrial) -> None:
        """So that two plugins never share a pool by accident; and the same pools each time."""
        declared, spec = trial.type, trial.request().spec
        claims = declared.claims or ()
        if declared.claims_of is not None:
            claims = declared.claims_of(declared.check_config(spec.config))
            again = declared.claims_of(declared.check_config(spec.config))
            expect(again == claims, f"`claims_of` says the same twice: `{claims}`, `{again}`")
        for claim in claims:
            begins = f"{declared.name}:"
            expect(claim.pool.startswith(begins), f"The pool `{claim.pool}` begins with `{begins}`")
            expect(claim.units >= 1, f"A claim of `{claim.pool}` has at least one unit, not `{claim.units}`")
            held = [name for name, value in self.secrets.items() if value in claim.pool]
            expect(not held, f"No pool's name holds the value of the secret `{', '.join(held)}`")

    def test_outputs_fit_the_interface(self, trial: FunctionTrial) -> None:
        """Every name, every type."""
        request = trial.request()
        expect_outputs(request.spec.interface, trial.run(request))

    def test_repeated_run_gives_the_same(self, trial: FunctionTrial) -> None:
        """In the same process: an attempt runs at least once, and workers are used again."""
        first = trial.run(trial.request())
        again = trial.run(trial.request())
        expect(again == first, f"A second run gives the same: `{first}`, `{again}`")

    def test_arguments_and_code_are_left_alone(self, trial: FunctionTrial) -> None:
        """The engine keeps them for the next attempt."""
        request = trial.request()
        before, files = msgspec.json.encode(request), _files(trial.code_dir)
        trial.run(request)
        after = msgspec.json.encode(request)
        expect(after == before, f"Spec and inputs stay as they were: `{before.decode()}`, `{after.decode()}`")
        changed = sorted(dict(_files(trial.code_dir) ^ files))
        expect(not changed, f"The unpacked archive stays as it was, also `{changed}`")

    def test_process_is_left_as_it_was(self, trial: FunctionTrial) -> None:
        """Working directory, environment and import path are the next attempt's too."""
        request = trial.request()
        before = _surroundings()
        trial.run(request)
        changed = sorted(name for name, value in _surroundings().items() if value != before[name])
        expect(not changed, f"A run leaves the process as it was, also its `{changed}`")

    def test_error_of_the_authors_code_is_the_authors(self, trial: FunctionTrial) -> None:
        """It uses the author's retries, and says what happened."""
        error = trial.run_to_failure()
        kind = error.kind if isinstance(error, HardpointError) else ErrorKind.USER
        expect(kind is ErrorKind.USER, f"What the author's code raises is the author's, not `{error!r}`")
        expect(bool(str(error)), f"The error says what happened: `{error!r}`")

    def test_run_after_a_failed_one_succeeds(self, trial: FunctionTrial) -> None:
        """In the same process."""
        trial.run_to_failure()
        request = trial.request()
        expect_outputs(request.spec.interface, trial.run(request))

    def test_nothing_that_is_kept_or_printed_holds_a_secret(
        self, trial: FunctionTrial, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """The spec, outputs, progress, artifacts, errors and lines of any logger."""
        if not self.secrets:
            pytest.skip(f"No `secrets` are given to the trial of task type `{trial.type.name}`")
        caplog.set_level(logging.DEBUG)
        request = trial.request()
        kept = [request.spec, trial.run(request)]
        texts = [msgspec.json.encode(each).decode() for each in kept]
        if type(self).failing_request is not FunctionContract.failing_request:
            error = trial.run_to_failure()
            texts += [repr(error), str(error)]
            texts += [str(error.info())] if isinstance(error, HardpointError) else []
        for context in trial.contexts:
            texts += [*context.logged, *(note for _, _, note in context.noted), *context.artifacts]
            texts += [
                context.store.read_bytes(each).decode(errors="replace") for each in context.artifacts.values()
            ]
        expect_silent(self.secrets, [*texts, caplog.text, *capfd.readouterr()])

    def test_nothing_is_left_behind(
        self, trial: FunctionTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Threads, sockets and files of a worker add up."""
        temporary = tmp_path / "temporary"
        temporary.mkdir()

        def cycle() -> None:
            handler = cast(FunctionHandler, trial.type.handler())
            trial.run(trial.request(), handler)
            trial.contexts.pop().store.close()

        expect_nothing_left(cycle, temporary, monkeypatch)


def _files(folder: Path) -> set[tuple[str, str]]:
    """Names and digests of files, without those that Python keeps beside modules."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {
        (path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in found
    }


def _surroundings() -> dict[str, object]:
    mask = os.umask(0)
    os.umask(mask)
    return {
        "working directory": str(Path.cwd()),
        "environment variables": dict(os.environ),
        "sys.path": list(sys.path),
        "umask": mask,
        "recursion limit": sys.getrecursionlimit(),
    }
