"""From an authored workflow to what a run needs: its code, archived by digest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hardpoint.core.project import is_below
from hardpoint.core.source import project_root
from hardpoint.executor.archive.archive import build_archive, save_archive
from hardpoint.plugin_api import TaskDefinition


def archive_code(file: Path, definitions: Mapping[str, TaskDefinition], home: Path) -> tuple[str, Path]:
    """Archive the project files that a workflow's tasks need.

    Args:
        file: Where the workflow is defined; its project is the one that is archived.
        definitions: The tasks, by key.
        home: The store's folder.

    Returns:
        Digest of the archive (empty if no task lies in the project) and the project's folder.
    """
    root = project_root(file)
    inside = {each.file for each in definitions.values() if is_below(each.file, root)}
    # A task of an installed package brings its files with the package.
    extra = {path for each in definitions.values() for path in each.files if is_below(path, root)}
    if not inside and not extra:
        return "", root
    archive = build_archive(sorted({file, *inside}), root, sorted(extra))
    save_archive(archive, home)
    return archive.digest, root
