"""`hardpoint plugins new`: write a plugin's distribution, to start from."""

from __future__ import annotations

import shlex
from importlib.metadata import entry_points
from pathlib import Path

from hardpoint.core.compile_errors import did_you_mean, listed
from hardpoint.executor.builtin import python_plugin
from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.output import say, say_json
from hardpoint.executor.scaffold.rendering import LONGEST_NAME, Kind, Names, is_usable, render, usable
from hardpoint.plugin_api import ENTRY_POINT_GROUP, UsageError
from hardpoint.registry.explain import KNOWN_DISTRIBUTIONS

ALLOWED = f"at most {LONGEST_NAME} lower-case letters and digits, in words joined by `_`, with a letter first"


def write_plugin(name: str, kind: str, folder: str, *, as_json: bool) -> int:
    """Write the files and say what to do next.

    Args:
        name: Of the task type.
        kind: `job`, `array` or `function`.
        folder: Where; empty for `./<distribution>`.
        as_json: Print one object.

    Raises:
        UsageError: The name, kind or folder cannot be used. Nothing was written.
    """
    wanted, names = _kind(kind), _names(name)
    target = _empty_folder(Path(folder or names.distribution))
    files = render(names, wanted)
    for path, text in files.items():
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    following = [
        f"cd {shlex.quote(str(target))}",
        'pip install -e ".[testing]"',
        f"hardpoint plugins check {name}",
    ]
    if as_json:
        say_json(
            {
                "name": name,
                "kind": wanted.value,
                "distribution": names.distribution,
                "package": names.package,
                "folder": str(target),
                "files": list(files),
                "next": following,
            }
        )
        return DONE
    say(f"Wrote {names.distribution} to {target}:", *(f"  {path}" for path in files), "")
    say("Next:", *(f"  {command}" for command in following), "", "README.md says what to change.")
    return DONE


def _kind(kind: str) -> Kind:
    known = [each.value for each in Kind]
    if kind in known:
        return Kind(kind)
    raise UsageError(
        f"There is no kind `{kind}` of plugin",
        hint=did_you_mean(kind, known, f"The kinds are {listed(known)}"),
    )


def _names(name: str) -> Names:
    if not is_usable(name):
        suggestion = usable(name)
        raise UsageError(
            f"`{name}` cannot be the name of a task type: it takes {ALLOWED}",
            hint=f"Did you mean `{suggestion}`?" if suggestion else "Such as `hardpoint plugins new acme`",
        )
    names = Names(name)
    taken = _owner(names)
    if taken:
        raise UsageError(
            f"The task type `{name}` is {taken} already",
            hint=f"Choose another name, such as `{usable('my_' + name)}`",
        )
    return names


def _owner(names: Names) -> str:
    """Who else runs tasks of that type here; empty for nobody."""
    if any(each.name == names.name for each in python_plugin.task_types()):
        return "built in"
    if names.name in KNOWN_DISTRIBUTIONS:
        return f"that of `{KNOWN_DISTRIBUTIONS[names.name]}`"
    for each in entry_points(group=ENTRY_POINT_GROUP, name=names.name):
        if each.dist is not None and each.dist.name != names.distribution:
            return f"that of the installed distribution `{each.dist.name}`"
    return ""


def _empty_folder(folder: Path) -> Path:
    if folder.is_dir() and not any(folder.iterdir()):
        return folder
    if folder.exists() or folder.is_symlink():
        what = "is not empty" if folder.is_dir() else "is a file"
        raise UsageError(
            f"The folder `{folder}` {what}, and nothing is overwritten",
            hint="Name another one with `--folder`",
        )
    return folder
