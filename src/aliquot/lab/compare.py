"""Two runs side by side, with what changed in their definition and scripts as diffs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select

from aliquot.datasets import places
from aliquot.db.tables import definition
from aliquot.definitions.difference import definition_text, text_diff
from aliquot.engine.compare import Comparison, compare
from aliquot.engine.control import find_run
from aliquot.lab.lab import Lab
from aliquot.lab.runs import RunLine, run_line
from aliquot.lab.unmoved import while_unmoved
from aliquot.model.blob import Location
from aliquot.model.digest import Digest

_LARGEST = 1 << 20
"""Bytes of a script beyond which only its digests are told."""


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs, how they differ, and unified diffs of their definition and of the text files among their scripts."""

    before: RunLine
    after: RunLine
    comparison: Comparison
    diffs: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """Give the comparison as JSON."""
        told = asdict(self.comparison)
        told |= {"before": self.before.document(), "after": self.after.document()}
        return {**told, "equal": self.comparison.equal, "diffs": dict(self.diffs)}


def compare_runs(lab: Lab, before: int, after: int, most: int | None = None) -> RunComparison:
    """Compare two runs; `Missing` when one is not there. `most` names of what differs in each way, None: all."""
    with lab.catalogue.read() as connection:
        asked = ("comparison", before, after, most)
        found = while_unmoved(connection, asked, lambda: compare(connection, before, after, most))
        lines = [run_line(find_run(connection, number)) for number in (before, after)]
        documents = [_document(connection, number) for number in found.definitions]
        digests = {digest for each in found.code for digest in (each.before, each.after) if digest}
        where = places.require(connection, [Digest(digest) for digest in digests])
    titles = (f"run {before}", f"run {after}")
    diffs = {"pipeline": text_diff(documents[0], documents[1], *titles)} if documents[0] != documents[1] else {}
    for each in found.code:
        texts = [_text(lab, where.get(Digest(digest)) if digest else None) for digest in (each.before, each.after)]
        if texts[0] is not None and texts[1] is not None:
            diffs[each.part] = text_diff(texts[0], texts[1], *titles)
    return RunComparison(lines[0], lines[1], found, diffs)


def _document(connection: Connection, number: int) -> str:
    document = connection.execute(select(definition.c.document).where(definition.c.id == number)).scalar_one()
    return definition_text(document, {})


def _text(lab: Lab, place: Location | None) -> str | None:
    """Give a script as text: empty when it is not there, None when it is too large or is no text."""
    if place is None:
        return ""
    if place.size > _LARGEST:
        return None
    try:
        return lab.store.read_checked(place).decode()
    except UnicodeDecodeError:
        return None
