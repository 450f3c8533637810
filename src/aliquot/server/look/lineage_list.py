"""A lineage as nested lists, and where its things have their pages: of hundreds, quicker than a template is."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from aliquot.model.words import count

_OPEN_DEPTH, _OPEN_MOST = 3, 10
"""Lists that are open to begin with: so far down, and with fewer parts than these."""

Document = Mapping[str, Any]
"""A node of a lineage as its JSON has it."""


def branches(nodes: Sequence[Document], way: str, deep: int = 0) -> Markup:
    """List nodes, and in each what is behind it, `back` or `forward`."""
    return Markup(_listed(nodes, way, deep))  # noqa: S704  # all that is not ours is escaped


def leads_to(kind: str, name: str, facts: Document) -> str:
    """Give where a thing of a lineage has its page: a file its own lineage; empty where it has none."""
    if kind == "file":
        return _file(name, "lineage")
    if kind == "task":
        return f"/runs/{facts['run']}/tasks/{quote(str(facts['step']))}/{facts['ordinal']}"
    if kind == "output":
        return f"/runs/{quote(name.partition(':')[0].split(' ')[1])}/outputs"
    if kind == "arrival":
        return f"/receipts/{facts['receipt']}"
    return f"/hub/tables/{quote(name)}" if kind == "table" else ""


def _file(name: str, page: str) -> str:
    dataset, _, rest = name.partition("@")
    version, _, path = rest.partition(":")
    return f"/datasets/{quote(dataset)}/{quote(version)}/{page}{quote(path)}"


def _listed(nodes: Sequence[Document], way: str, deep: int) -> str:
    return f'<ul class="tree">{"".join(_branch(node, way, deep) for node in nodes)}</ul>'


def _branch(node: Document, way: str, deep: int) -> str:
    below: Sequence[Document] = node[way]
    if not below:
        return f"<li>{_label(node)}</li>"
    many = sum(each["facts"]["count"] if each["kind"] == "more" else 1 for each in below)
    opened = " open" if deep < _OPEN_DEPTH and len(below) < _OPEN_MOST else ""
    of = f'<span class="unseen"> of {escape(node["kind"])} {escape(node["name"])}</span>'
    head = f'<summary class="of">{"from" if way == "back" else "gave"} {many:,}{of}</summary>'
    return f"<li>{_label(node)}<details{opened}>{head}{_listed(below, way, deep + 1)}</details></li>"


def _label(node: Document) -> str:
    kind, facts = node["kind"], node["facts"]
    rows = f' <span class="of">{escape(count(facts["rows"], "row"))}</span>' if facts.get("rows") else ""
    told = ' <span class="of">as above</span>' if node["told"] else ""
    return f'<span class="of">{escape(kind)}</span> {_name(kind, node["name"], facts)}{rows}{told}'


def _name(kind: str, name: str, facts: Document) -> str:
    shown = str(escape(name))
    if kind == "file":
        return _link(_file(name, "files"), shown) if ":" in name.partition("@")[2] else shown
    if kind == "task" and facts.get("run"):
        of = f" of {escape(facts['pipeline'])}" if facts.get("pipeline") else ""
        step = f", step {escape(facts['step'])}" if facts.get("step") else ""
        return f'<a class="ref" href="/runs/{facts["run"]:d}">Run {facts["run"]:d}</a>{of}{step}'
    if kind == "more":
        return f"{facts['count']:,} more"
    if kind == "arrival":
        return _link(f"/receipts/{facts['receipt']:d}", shown)
    return _link(f"/hub/tables/{quote(name)}", shown) if kind in {"rows", "table"} else shown


def _link(there: str, shown: str) -> str:
    return f'<a href="{escape(there)}">{shown}</a>'
