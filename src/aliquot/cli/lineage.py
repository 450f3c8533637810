"""`aliquot lineage`: from a result back to its origin, and from a file on to what came of it."""

import json
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.text import Text
from rich.tree import Tree

from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.output import STATE_STYLES, print_json, say, stdout
from aliquot.cli.text import count, digest, moment, plain, size
from aliquot.lab.lineage import full_lineage
from aliquot.model.reference import parse_reference

if TYPE_CHECKING:
    from aliquot.datasets.lineage import Node

app = noun("lineage")


@app.default
def lineage(
    reference: Annotated[str, Parameter(name="REFERENCE")],
    /,
    *,
    back: bool = False,
    forward: bool = False,
    depth: int = 20,
    options: Options = OPTIONS,
) -> None:
    """Follow a file both ways.

    Parameters
    ----------
    reference
        dataset@version:path, or a whole version.
    back
        Only where it came from: tasks, inputs, arrivals.
    forward
        Only what came of it: tasks, outputs, versions, rows of tables.
    depth
        Steps at most; 20 by default.
    """
    way = "back" if back and not forward else "forward" if forward and not back else "both"
    with options.open() as lab:
        root = full_lineage(lab, parse_reference(reference), way, depth)
    if options.json:
        print_json(root.document())
        return
    stdout().print(_label(root))
    for title, nodes in (("comes from", root.back), ("became", root.forward)):
        if nodes:
            tree = Tree(Text(title, style="bold"), guide_style="dim")
            for node in nodes:
                _grow(tree, node)
            stdout().print(tree)
    if not root.back and not root.forward:
        say("Nothing is known to come before or after it." if way == "both" else "Nothing is known that way.")
    if "hub" in root.facts:
        say(f"Rows of tables are left out: {plain(str(root.facts['hub']))}")


def _grow(tree: Tree, node: "Node") -> None:
    branch = tree.add(_label(node))
    for each in (*node.back, *node.forward):
        _grow(branch, each)


def _label(node: "Node") -> Text:
    words = f"source {node.facts['source']}: {node.facts['path']}" if node.kind == "arrival" else node.name
    name = Text(plain(words), style="bold" if node.kind in {"file", "version"} else "")
    about = _ABOUT.get(node.kind, lambda _: [])(node.facts)
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
