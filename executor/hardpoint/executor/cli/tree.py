"""The live tree of a run on a terminal: sub-workflows are branches, what moves comes first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import IO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from hardpoint.executor.cli.arrays import array_words
from hardpoint.executor.cli.live_reasons import Reasons
from hardpoint.executor.cli.output import colour_of
from hardpoint.executor.cli.watching import Watched, ran_s, word_for
from hardpoint.executor.cli.wording import duration
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.run import Journaled, Progress

REFRESHES_PER_S = 6
_NOTHING: Mapping[str, str] = MappingProxyType({})
_RANK = {
    NodeState.FAILED: 0,
    NodeState.RUNNING: 1,
    NodeState.STARTED: 1,
    NodeState.BACKOFF: 1,
    NodeState.MAPPING: 1,
    NodeState.CANCELLED: 2,
    NodeState.SUCCEEDED: 3,
    NodeState.READY: 4,
    NodeState.WAITING: 5,
    NodeState.SKIPPED: 5,
}


class TreePrinter:
    """See `Printer`: redraws the tree in place.

    Args:
        watched: The run.
        stream: The terminal.
        reasons: Why nodes wait.
    """

    def __init__(self, watched: Watched, stream: IO[str], reasons: Reasons | None = None) -> None:
        self._watched = watched
        self._reasons = reasons
        self._lock = threading.Lock()
        self._console = Console(file=stream, highlight=False)
        self._live = Live(self, console=self._console, refresh_per_second=REFRESHES_PER_S)

    def begin(self) -> None:
        """See `Printer`."""
        self._live.start()
        if self._reasons is not None:
            self._reasons.begin(self._lock)

    def take(self, item: Journaled | Progress) -> None:
        """See `Printer`."""
        with self._lock:
            for _ in self._watched.take(item):
                pass

    def remark(self, text: str) -> None:
        """See `Printer`."""
        self._console.print(Text(text))

    def end(self) -> None:
        """See `Printer`."""
        if self._reasons is not None:
            self._reasons.end()
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the tree as it is now, no higher than the terminal."""
        with self._lock:
            why = {} if self._reasons is None else self._reasons.now
            lines = list(tree_lines(self._watched, time.time(), max(5, console.height - 2), why))
        for line in lines:
            line.truncate(options.max_width, overflow="ellipsis")
            line.no_wrap = True
            yield line


def tree_lines(
    watched: Watched, now: float, lines_max: int, why: Mapping[str, str] = _NOTHING
) -> Iterator[Text]:
    """The tree, line by line; of a large one, the nodes that matter most now.

    Args:
        watched: The run.
        now: Seconds since the epoch.
        lines_max: At most so many lines, the summary included.
        why: Why nodes wait, by node.
    """
    nodes = watched.state.nodes
    chosen = _chosen(nodes, lines_max - 2)
    width = max((2 * id.count(".") + len(_last(id)) for id in chosen), default=0)
    shown: set[str] = set()
    for id in chosen:
        for depth, branch in _new_branches(id, shown):
            yield Text(f"{'  ' * depth}{branch}", style="bold")
        yield _node_line(nodes[id], watched, now, width, why.get(id, ""))
    hidden = len(nodes) - len(chosen)
    if hidden:
        yield Text(f"… {hidden} more: {_counts(nodes, set(chosen))}")
    started = watched.state.submitted.at if watched.state.submitted else now
    yield Text(f"{watched.progress()}, {duration((watched.state.ended_at or now) - started)}")


def _last(id: str) -> str:
    return id.rpartition(".")[2]


def _chosen(nodes: dict[str, NodeRun], lines_max: int) -> list[str]:
    if len(nodes) + len({id.rpartition(".")[0] for id in nodes if "." in id}) <= lines_max:
        return list(nodes)
    # Of those that are done, the latest; branches take lines too, so half the room is left for them.
    order = sorted(nodes.values(), key=lambda node: (_RANK[node.state], -(node.ended_at or 0.0)))
    kept: list[str] = []
    branches: set[str] = set()
    for node in order:
        added = {branch for _, branch in _branches(node.id)} - branches
        if len(kept) + 1 + len(branches) + len(added) > lines_max:
            break
        kept.append(node.id)
        branches |= added
    wanted = set(kept)
    return [id for id in nodes if id in wanted]


def _branches(id: str) -> Iterator[tuple[int, str]]:
    parts = id.split(".")[:-1]
    for depth in range(len(parts)):
        yield depth, ".".join(parts[: depth + 1])


def _new_branches(id: str, shown: set[str]) -> Iterator[tuple[int, str]]:
    for depth, branch in _branches(id):
        if branch not in shown:
            shown.add(branch)
            yield depth, _last(branch)


def _node_line(node: NodeRun, watched: Watched, now: float, width: int, why: str) -> Text:
    depth = node.id.count(".")
    word = word_for(node)
    line = Text(f"{'  ' * depth}{_last(node.id)}".ljust(width) + "  ")
    line.append(f"{word:<9}", style=colour_of(word))
    if node.state is NodeState.WAITING or node.state is NodeState.READY:
        return line.append(f"  {why}" if why else "")
    parts = [f"attempt {node.attempt}"] if node.attempt > 1 else []
    if node.state is NodeState.BACKOFF and node.retry_at is not None:
        parts.append(f"again in {duration(max(0.0, node.retry_at - now))}")
    elif (seconds := ran_s(node, now)) is not None:
        parts.append(duration(seconds))
    items = array_words(node.array) if node.array is not None else ""
    parts += [each for each in (items, watched.note(node.id), _remark(node)) if each]
    line.append("  " + "  ".join(parts))
    return line


def _remark(node: NodeRun) -> str:
    if node.error is not None:
        return f"{node.error.code}: {node.error.message}".partition("\n")[0]
    return node.reason.partition("\n")[0] if node.state.in_flight else ""


def _counts(nodes: dict[str, NodeRun], without: set[str]) -> str:
    counts: dict[str, int] = {}
    for id, node in nodes.items():
        if id not in without:
            word = word_for(node)
            counts[word] = counts.get(word, 0) + 1
    return ", ".join(f"{count} {word}" for word, count in counts.items())
