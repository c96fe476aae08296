"""What an author writes: a notebook as a task."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from hardpoint.plugin_api import (
    Cache,
    FileType,
    Options,
    Parameter,
    Resources,
    Retry,
    Secret,
    TaskDefinition,
    UsageError,
)
from hardpoint.plugin_api.definition import caller_position, defining_file
from hardpoint_notebook.config import NotebookConfig
from hardpoint_notebook.document import digest, read_document


class NotebookTask(TaskDefinition):
    """A Jupyter notebook with typed inputs and outputs.

    Each attempt executes a copy in an empty scratch folder; the notebook itself is never written to. The
    executed notebook and an HTML page of it are attached to the attempt, also when a cell fails.

    Args:
        notebook: Path, relative to the folder of the file that defines the task.
        inputs: Type hints by name, or `Parameter(hint, default=…)`. In the notebook each is a variable,
            set after the cell tagged `parameters`, or at the top if there is none.
        outputs: Type hints by name; the notebook gives each one with `record(name=value)`.
        name: In listings; by default the file's name without its ending.
        kernel: Name of the Jupyter kernel; by default the one the notebook names, else `python3`.
        cell_timeout_s: Longest one cell may run.
        html_template: An nbconvert template: `lab`, `classic`, or one that is installed.
        show_code: Whether the HTML page shows the code.
        with_notebook: Add an output `notebook`, the executed notebook as a file.
        with_html: Add an output `html`, the HTML page as a file.
        files: Project files that the notebook reads or imports, relative like `notebook`: they are
            archived with it, and a change in one is a new version.
        version: Set by hand, it replaces the digest of the cells.
        resources, retry, cache, timeout, queue_timeout, deadline, interruptible, secrets: As for `@task`.

    Raises:
        UsageError: The notebook or one of `files` is missing or damaged, or a name is not usable.

    Example:
        ```python
        report = NotebookTask("report.ipynb", inputs={"n": int}, outputs={"accuracy": float})
        ```
    """

    def __init__(
        self,
        notebook: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        name: str = "",
        kernel: str = "",
        cell_timeout_s: float | None = None,
        html_template: str = "lab",
        show_code: bool = True,
        with_notebook: bool = False,
        with_html: bool = False,
        files: Sequence[str] = (),
        version: str = "",
        resources: Resources | None = None,
        retry: Retry | None = None,
        cache: Cache | bool | None = None,
        timeout: timedelta | float | None = None,
        queue_timeout: timedelta | float | None = None,
        deadline: timedelta | float | None = None,
        interruptible: bool = False,
        secrets: Iterable[Secret | str] = (),
        doc: str = "",
    ) -> None:
        position = caller_position()
        file = defining_file(position)
        if Path(notebook).is_absolute():
            raise UsageError(
                f"The notebook's path `{notebook}` is absolute",
                hint=f"Give it relative to `{file.parent}`, so that the workflow also runs elsewhere",
            )
        path = file.parent / notebook
        document = read_document(path)
        beside = _existing(file.parent, files, notebook)
        config = NotebookConfig(
            Path(notebook).as_posix(),
            kernel,
            cell_timeout_s,
            html_template,
            show_code,
            with_notebook,
            with_html,
        )
        super().__init__(
            name=name or re.sub(r"\W", "_", path.stem),
            task_type="notebook",
            file=file,
            inputs={key: Parameter.given(value) for key, value in (inputs or {}).items()},
            outputs=_with_files(outputs or {}, config),
            config={field: getattr(config, field) for field in _changed(config)},
            options=Options.given(
                resources=resources,
                retry=retry,
                cache=cache,
                timeout=timeout,
                queue_timeout=queue_timeout,
                deadline=deadline,
                interruptible=interruptible,
                secrets=secrets,
            ),
            version=version or digest(document, beside),
            files=(path, *beside),
            doc=doc,
            position=position,
        )
        _check_names(self)


def _changed(config: NotebookConfig) -> list[str]:
    """Names of fields that are not left at their default, so that a new field changes no old digest."""
    default = NotebookConfig("")
    return [field for field in config.__struct_fields__ if getattr(config, field) != getattr(default, field)]


def _existing(folder: Path, files: Sequence[str], notebook: str) -> tuple[Path, ...]:
    for name in files:
        if not (folder / name).is_file():
            raise UsageError(
                f"No file `{name}` in `{folder}`, which `files` of the notebook task `{notebook}` names",
                hint="Each entry of `files` is one file's path, relative to the file that defines the task",
            )
    return tuple(folder / name for name in files)


def _with_files(outputs: Mapping[str, Any], config: NotebookConfig) -> dict[str, Any]:
    added = {"notebook": config.with_notebook, "html": config.with_html}
    for name in outputs:
        if added.get(name):
            raise UsageError(
                f"Output `{name}` of `{config.notebook}` is declared, and `with_{name}=True` adds it again",
                hint=f"Rename the declared output or leave out `with_{name}`",
            )
    return {**outputs, **{name: FileType() for name, wanted in added.items() if wanted}}


def _check_names(task: TaskDefinition) -> None:
    for kind, names in (("Input", task.inputs), ("Output", task.outputs)):
        for name in names:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise UsageError(
                    f"{kind} `{name}` of notebook `{task.config['notebook']}` is not a Python name",
                    hint="Inputs become variables, and outputs keywords of `record`: "
                    "use letters, digits and `_`",
                )
