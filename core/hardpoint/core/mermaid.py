"""A compiled workflow as a Mermaid flowchart, which documentation tools and code hosts draw."""

from __future__ import annotations

from collections.abc import Iterator

from hardpoint.core.binding import leaves, nodes_read
from hardpoint.core.compiled import Binding, CompiledWorkflow, FromInput, Node, WorkflowBody


def to_mermaid(compiled: CompiledWorkflow) -> str:
    """Draw a workflow: solid arrows carry values, dotted ones only order.

    Args:
        compiled: Sub-workflows are drawn as boxes around their nodes.

    Returns:
        The text of a Mermaid `flowchart`, ending in a newline.
    """
    return "\n".join(["flowchart TD", *_Drawing(compiled).body(compiled.body, "", 1)]) + "\n"


class _Drawing:
    def __init__(self, compiled: CompiledWorkflow) -> None:
        self._compiled = compiled
        # Mermaid knows words such as `end`, so nodes are drawn under numbers.
        self._names: dict[str, str] = {}

    def body(self, body: WorkflowBody, path: str, depth: int) -> Iterator[str]:
        pad = "    " * depth
        if body.interface.inputs:
            shown = "<br/>".join(f"{v.name}: {v.type}" for v in body.interface.inputs)
            yield f'{pad}{self._name(path + "<in>")}[/"{_text(shown)}"/]'
        for node in body.nodes:
            yield from self._node(node, path, depth)
        if body.interface.outputs:
            shown = "<br/>".join(f"{v.name}: {v.type}" for v in body.interface.outputs)
            yield f'{pad}{self._name(path + "<out>")}[\\"{_text(shown)}"\\]'
        for node in body.nodes:
            target = self._name(path + node.id)
            for name, binding in node.inputs.items():
                yield from (
                    f"{pad}{source} -->|{_text(name)}| {target}" for source in self._sources(binding, path)
                )
            for before in node.after:
                yield f"{pad}{self._name(path + before)} -.-> {target}"
        for binding in body.outputs.values():
            sources = self._sources(binding, path)
            yield from (f"{pad}{source} --> {self._name(path + '<out>')}" for source in sources)

    def _node(self, node: Node, path: str, depth: int) -> Iterator[str]:
        pad = "    " * depth
        name = self._name(path + node.id)
        if not node.workflow:
            times = " ×n" if node.map is not None else ""
            label = f"{node.id}{times}<br/>{self._compiled.tasks[node.task].name}"
            yield f'{pad}{name}["{_text(label)}"]'
            return
        yield f'{pad}subgraph {name}["{_text(node.id)}"]'
        yield from self.body(self._compiled.workflows[node.workflow], f"{path}{node.id}.", depth + 1)
        yield f"{pad}end"

    def _sources(self, binding: Binding, path: str) -> list[str]:
        found = [self._name(path + node) for node in nodes_read({"": binding})]
        if any(isinstance(leaf, FromInput) for leaf in leaves(binding)):
            found.append(self._name(path + "<in>"))
        return found

    def _name(self, path: str) -> str:
        return self._names.setdefault(path, f"n{len(self._names)}")


def _text(label: str) -> str:
    kept = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
    return kept.replace("&lt;br/&gt;", "<br/>").replace("|", "&#124;")
