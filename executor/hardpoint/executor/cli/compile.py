"""`hardpoint compile` and `hardpoint graph`: what a workflow is, without running it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.core.flatten import flatten
from hardpoint.core.mermaid import to_mermaid
from hardpoint.executor.cli.arrays import mapped_words
from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.flows import open_workflow
from hardpoint.executor.cli.output import say, say_json
from hardpoint.executor.cli.wording import plural
from hardpoint.plugin_api import UsageError

STDOUT = "-"


class OutputUnwritableError(UsageError):
    """The file that was asked for cannot be written."""


def compile_to(file: str, name: str, output: str, *, as_json: bool) -> int:
    """Compile a workflow and write it.

    Args:
        file, name: As typed.
        output: A path, `-` for stdout, or empty: only check.
        as_json: Print the summary as JSON.
    """
    compiled = open_workflow(file, name, "compile").compile()
    nodes = flatten(compiled).nodes
    count = len(nodes)
    mapped = {id: node.map for id, node in nodes.items() if node.map is not None}
    if output == STDOUT:
        say(compiled.to_json().decode())
    elif output:
        _write(Path(output), compiled.to_json())
    stream = sys.stderr if output == STDOUT else sys.stdout
    if as_json:
        if output != STDOUT:
            told: dict[str, Any] = {"workflow": compiled.body.name, "digest": compiled.digest, "nodes": count}
            how = {id: msgspec.to_builtins(each) for id, each in mapped.items()}
            say_json({**told, "tasks": len(compiled.tasks), "map": how, "output": output or None})
        return DONE
    where = f" → {output}" if output and output != STDOUT else ""
    say(f"{compiled.body.name}: {plural(count, 'node')}, digest {compiled.digest}{where}", to=stream)
    say(*(f"  {id} maps {mapped_words(each)}" for id, each in mapped.items()), to=stream)
    return DONE


def _write(path: Path, data: bytes) -> None:
    # Beside its place first, so that a full disk leaves an older file whole.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            draft.write_bytes(data)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise OutputUnwritableError(
            f"Cannot write `{path}`: {error.strerror or error}", hint="Choose another path with `-o`"
        ) from error


def print_graph(file: str, name: str, *, as_json: bool) -> int:
    """Print a workflow as a Mermaid diagram."""
    compiled = open_workflow(file, name, "graph").compile()
    text = to_mermaid(compiled)
    if as_json:
        say_json({"workflow": compiled.body.name, "digest": compiled.digest, "mermaid": text})
    else:
        say(text.rstrip())
    return DONE
