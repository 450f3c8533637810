"""A lineage as PROV-JSON, the interchange format of the W3C's provenance model."""

from datetime import UTC, datetime
from typing import Any

from aliquot.datasets.lineage import Node
from aliquot.lab.lineage_flat import Flat, flatten, short_id

_PREFIX = {"aliquot": "urn:aliquot:lineage:"}


def prov_document(root: Node) -> dict[str, Any]:
    """Write files, arrivals and tables as entities, tasks as activities, and what used and made what."""
    flat = flatten(root)
    found: dict[str, Any] = {"prefix": _PREFIX, "entity": {}, "activity": {}}
    for key, node in flat.things.items():
        found["activity" if node.kind == "task" else "entity"][_id(key)] = _told(node)
    for number, (before, after) in enumerate(flat.links):
        relation, ends = _relation(flat, before, after)
        found.setdefault(relation, {})[f"_:{number}"] = ends
    return found


def _relation(flat: Flat, before: str, after: str) -> tuple[str, dict[str, str]]:
    one, other = _id(before), _id(after)
    if flat.things[after].kind == "task":
        return "used", {"prov:activity": other, "prov:entity": one}
    if flat.things[before].kind == "task":
        return "wasGeneratedBy", {"prov:entity": other, "prov:activity": one}
    return "wasDerivedFrom", {"prov:generatedEntity": other, "prov:usedEntity": one}


def _id(key: str) -> str:
    return f"aliquot:{short_id(key)}"


def _told(node: Node) -> dict[str, Any]:
    told: dict[str, Any] = {"prov:label": node.name, "prov:type": f"aliquot:{node.kind}"}
    tried = node.facts.get("attempt")
    if node.kind == "task" and tried:
        for name, at in (("prov:startTime", tried["started_at"]), ("prov:endTime", tried["ended_at"])):
            if at is not None:
                told[name] = datetime.fromtimestamp(at, UTC).isoformat()
    names = ("digest", "size", "key", "command", "image", "parameters", "who", "arrived_at", "rows", "state")
    return told | {f"aliquot:{name}": node.facts[name] for name in names if node.facts.get(name) is not None}
