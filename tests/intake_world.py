"""What tests of intake need: a source, its file types, and a clock to turn."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.intake.settle import Clock
from aliquot.intake.source import Look, SourceIntake
from aliquot.model.file_type import FileType
from aliquot.model.lab_config import Source

TABLE = {"fields": [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}]}


def types(**documents: Mapping[str, Any]) -> dict[str, FileType]:
    """Make file types from what their definitions say."""
    return {name: FileType.model_validate({"type": name, **document}) for name, document in documents.items()}


ROWS = {"recognise": {"name": "*.csv", "columns": ["id", "name"]}, "format": "table", "table": TABLE}
ANY = {"recognise": {"name": "*"}}


class World:
    """One source over a folder; `look` turns the clock so that whatever rests has settled."""

    def __init__(self, catalogue: Catalogue, store: Store, tmp_path: Path) -> None:
        self.catalogue = catalogue
        self.store = store
        self.inbox = tmp_path / "inbox"
        self.inbox.mkdir()
        self.ticks = 0.0

    def source(self, accept: Sequence[tuple[str, str]], known: Mapping[str, FileType], **settings: Any) -> SourceIntake:
        document = {"watch": "inbox", "accept": [{"type": name, "into": into} for name, into in accept], **settings}
        source = Source.model_validate({"settled": {"quiet": 0}, **document})
        return SourceIntake(self.catalogue, self.store, "bench", source, known, self.inbox.parent)

    def look(self, source: SourceIntake, after: float = 10) -> Look:
        self.ticks += after
        return source.look(Clock(self.ticks, time.time()))

    def drop(self, path: str, content: bytes | str, mtime: float | None = None) -> Path:
        target = self.inbox / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        if mtime is not None:
            os.utime(target, (mtime, mtime))
        return target
