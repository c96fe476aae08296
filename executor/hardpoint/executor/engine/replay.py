"""Any past moment of a run, rebuilt from its journal; and whether today's code decides what it decided then.

Everything that follows from earlier events is decided again and compared: what may start, tokens, cache
keys, retries, sizes of arrays, the outputs at the end. What does not follow from them (when, a drawn
delay, what a worker or a service answered) is taken from the journal, so a replay calls nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hardpoint.core.compiled import CompiledWorkflow
from hardpoint.core.flatten import FlatGraph
from hardpoint.executor.engine.possible import Feed, Possible, Start
from hardpoint.executor.engine.replay_checks import Check, checks_of
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.journal.events import Adopted, AttemptStarted, Event, NodeCached
from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.plugin_api import HardpointError, Wire


class Difference(msgspec.Struct, frozen=True):
    """Something that today's code decides differently.

    Args:
        seq: Of the event, from 1.
        event: Its kind, such as `AttemptStarted`.
        node: The node or item that it is about; empty for the run.
        what: What differs, such as `token`.
        journal: What the journal says, or implies.
        today: What today's code decides.
    """

    seq: int
    event: str
    node: str
    what: str
    journal: Wire
    today: Wire


class Replayed(msgspec.Struct, frozen=True):
    """A run after some of its events.

    Args:
        run: How it stood then.
        possible: What the last of these events made possible.
        differences: In the order of the events.
    """

    run: Run
    possible: list[Possible]
    differences: list[Difference]

    @property
    def state(self) -> RunState:
        """Its nodes."""
        return self.run.state


def replay(
    row: ExecutionRow,
    compiled: CompiledWorkflow,
    graph: FlatGraph,
    events: Sequence[Event],
    upto: int | None = None,
) -> Replayed:
    """Apply the first events of a run to today's state machine, checking each.

    Args:
        row: The run's summary; only its id and tenant count.
        compiled: Its workflow, as the journal keeps it.
        graph: The same, flat.
        events: All of them.
        upto: Apply only so many; default: all.
    """
    run = Run(row, compiled, graph, [])
    announced: set[str] = set()
    differences: list[Difference] = []
    possible: list[Possible] = []
    for seq, event in enumerate(events[:upto], 1):
        found = [*_unannounced(event, announced), *checks_of(run, event, first=seq == 1)]
        try:
            possible = run.state.apply(event)
        except (HardpointError, LookupError, ValueError) as error:
            possible = []
            found.append(Check("applied", True, f"{type(error).__name__}: {error}"))
        _announce(announced, run.state.possible() if isinstance(event, Adopted) else possible)
        node = getattr(event, "node", "")
        differences += [Difference(seq, type(event).__name__, node, *check) for check in found]
    return Replayed(run, possible, differences)


def _announce(announced: set[str], possible: Sequence[Possible]) -> None:
    announced.update(each.node for each in possible if isinstance(each, Start | Feed))


def _unannounced(event: Event, announced: set[str]) -> list[Check]:
    """An attempt of a node that no earlier event made possible: a lost or an invented node."""
    if not isinstance(event, AttemptStarted | NodeCached):
        return []
    known = event.node in announced or event.node.rpartition("[")[0] in announced
    return [] if known else [Check("made possible before", True, False)]
