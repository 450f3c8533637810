"""A lineage as branches that a person can read: tasks with their files, and of many alike only the first."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.text import Text
from rich.tree import Tree

from aliquot.cli.output import STATE_STYLES
from aliquot.cli.text import count, digest, moment, plain, size

if TYPE_CHECKING:
    from aliquot.datasets.lineage import Node

_ALIKE = 3
_NAMED = 3


class Branches:
    """Grows the branches of a tree. What is common to the tasks of a step is told with the first of them."""

    def __init__(self, *, full: bool) -> None:
        self._full = full
        self._steps: set[tuple[object, object]] = set()

    def grow(self, tree: Tree, nodes: "Iterable[Node]") -> None:
        """Add nodes and what is below them."""
        if self._full:
            for node in nodes:
                self._add(tree, node)
            return
        made: dict[str, tuple[Node, list[Node]]] = {}
        rest: list[Node] = []
        for node in nodes:
            maker = node.back[0] if node.kind == "output" and len(node.back) == 1 else None
            if maker and maker.kind == "task":
                known, outputs = made.setdefault(maker.name, (maker, []))
                made[maker.name] = (known if maker.told else maker, [*outputs, node])
            else:
                rest.append(node)
        self._add_makers(tree, list(made.values()))
        for kind in dict.fromkeys(node.kind for node in rest):
            alike = [node for node in rest if node.kind == kind]
            shown = alike if kind != "file" or len(alike) <= 2 * _ALIKE else alike[:_ALIKE]
            for node in shown:
                self._add(tree, node)
            if len(alike) > len(shown):
                tree.add(Text(f"and {len(alike) - len(shown)} more files", style="dim"))

    def _add(self, tree: Tree, node: "Node") -> None:
        self.grow(tree.add(label(node, briefly=self._told(node))), (*node.back, *node.forward))

    def _add_makers(self, tree: Tree, makers: "list[tuple[Node, list[Node]]]") -> None:
        """Add tasks in place of the files that they made, and of a step with many tasks the first few."""
        by_step: dict[object, list[tuple[Node, list[Node]]]] = {}
        for maker, outputs in makers:
            by_step.setdefault(maker.facts.get("step"), []).append((maker, outputs))
        for step, several in by_step.items():
            shown = several if len(several) <= _ALIKE + 1 else several[:_ALIKE]
            for maker, outputs in shown:
                text = label(maker, briefly=self._told(maker))
                text.append(f"\n  gave {_names(outputs)}", style="dim")
                self.grow(tree.add(text), (*maker.back, *maker.forward))
            if len(several) > len(shown):
                files = sum(len(outputs) for _, outputs in several[len(shown) :])
                tree.add(
                    Text(f"and {len(several) - len(shown)} more tasks of {step}, {count(files, 'file')}", style="dim")
                )

    def _told(self, node: "Node") -> bool:
        """Say whether a task of the same step has been told, and note this one."""
        if node.kind != "task" or self._full:
            return False
        step = (node.facts.get("pipeline"), node.facts.get("step"))
        told = step in self._steps
        self._steps.add(step)
        return told


def _names(outputs: "list[Node]") -> str:
    names = [plain(node.name.partition(":")[2]) for node in outputs]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def label(node: "Node", *, briefly: bool = False) -> Text:
    """Say what a node is; `briefly` leaves out of a task what the first of its step has told."""
    words = f"source {node.facts['source']}: {node.facts['path']}" if node.kind == "arrival" else node.name
    name = Text(plain(words), style="bold" if node.kind in {"file", "version"} else "")
    about = _ABOUT.get(node.kind, lambda _: [])(node.facts)
    if briefly and node.kind == "task":
        about = [part for part in about if not part[0].startswith("\n")]
    label = Text.assemble(name, *(part for each in about for part in ("  ", each)))
    if node.told:
        label.append("  (told above)", style="dim")
    return label


Part = tuple[str, str]


def _file(facts: Any) -> list[Part]:
    parts: list[Part] = [(digest(str(facts["digest"])), "cyan")] if facts.get("digest") else []
    if facts.get("size") is not None:
        parts.append((size(facts["size"]), "dim"))
    if facts.get("input"):
        parts.append((f"as {plain(facts['input'])}", "dim"))
    return parts


def _version(facts: Any) -> list[Part]:
    return [(digest(str(facts["digest"])), "cyan"), (f"{count(facts['files'], 'file')}, {size(facts['bytes'])}", "dim")]


def _task(facts: Any) -> list[Part]:
    parts: list[Part] = [(plain(str(facts["pipeline"])), "magenta")]
    state = str(facts["state"])
    if state != "COMPLETE":
        parts.append((state, STATE_STYLES.get(state, "")))
    if facts.get("reused"):
        parts.append((f"done by run {facts.get('computed_by_run')}", "dim"))
    command = facts.get("command")
    if command:
        words = command if isinstance(command, str) else " ".join(str(word) for word in command)
        parts.append(("\n  command     " + plain(words), "dim"))
    if facts.get("image"):
        parts.append(("\n  image       " + plain(str(facts["image"])), "dim"))
    elif facts.get("environment"):
        parts.append(("\n  environment " + _environment(str(facts["environment"])), "dim"))
    for title, name in (("parameters ", "parameters"), ("code       ", "code"), ("exports    ", "exports")):
        if facts.get(name):
            listed = ", ".join(f"{plain(key)}={_value(value)}" for key, value in facts[name].items())
            parts.append((f"\n  {title} {listed}", "dim"))
    return parts


def _environment(text: str) -> str:
    return digest(text) if text.startswith("blake3:") else plain(text)


def _value(value: Any) -> str:
    return digest(value) if isinstance(value, str) else plain(json.dumps(value, ensure_ascii=False))


def _arrival(facts: Any) -> list[Part]:
    parts: list[Part] = [(f"arrived {moment(facts['arrived_at'])}", "green")]
    if facts.get("who"):
        parts.append((f"by {plain(str(facts['who']))}", "dim"))
    if facts.get("decision") not in (None, "accepted"):
        parts.append((plain(str(facts["decision"])), "yellow"))
    described = (facts.get("facts") or {}).get("described", {})
    if described:
        listed = ", ".join(f"{plain(name)}={_value(each.get('value'))}" for name, each in described.items())
        parts.append((f"\n  described    {listed}", "dim"))
    return parts


def _table(facts: Any) -> list[Part]:
    state = str(facts["state"])
    return [("table of the hub", "dim"), (state, STATE_STYLES.get(state, ""))]


def _rows(facts: Any) -> list[Part]:
    return [(count(facts["rows"], "row") + " in the hub", "green")]


_ABOUT = {
    "file": _file,
    "output": _file,
    "version": _version,
    "task": _task,
    "arrival": _arrival,
    "table": _table,
    "rows": _rows,
}
