"""What a task of type `notebook` may say in its config."""

from __future__ import annotations

import msgspec


class NotebookConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The config of a `notebook` task.

    Args:
        notebook: POSIX path, relative to the folder of the file that defines the task.
        kernel: Name of the Jupyter kernel; empty: the one the notebook names, else `python3`.
        cell_timeout_s: Longest one cell may run. None: no limit but the task's own.
        html_template: An nbconvert template, such as `lab` or `classic`.
        show_code: Whether the HTML shows the code cells' sources.
        with_notebook: Whether the executed notebook is an output, `notebook`.
        with_html: Whether the HTML is an output, `html`.
    """

    notebook: str
    kernel: str = ""
    cell_timeout_s: float | None = None
    html_template: str = "lab"
    show_code: bool = True
    with_notebook: bool = False
    with_html: bool = False
