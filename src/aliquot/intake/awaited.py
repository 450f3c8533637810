"""Since when files wait for others, over restarts, and which have been given up: for sources that give up at all."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select

from aliquot.db import Catalogue
from aliquot.db.intake_tables import awaiting
from aliquot.db.rows import chunks
from aliquot.db.tables import held_file, quarantine
from aliquot.intake.judge import INCOMPLETE
from aliquot.intake.scan import File


class Awaited:
    """Remembers in the catalogue since when the files of one source wait. One look at a time."""

    def __init__(self, catalogue: Catalogue, source: str) -> None:
        self._catalogue = catalogue
        self._source = source
        self._known: dict[str, tuple[int, int, float]] | None = None

    def since(self, files: Sequence[File]) -> dict[str, float]:
        """Say since when, in seconds since 1970, each of the files has waited as it is now; others are left out."""
        known = self._look_up()
        return {
            file.path: known[file.path][2]
            for file in files
            if file.path in known and known[file.path][:2] == (file.size, file.mtime_ns)
        }

    @property
    def paths(self) -> Collection[str]:
        """Give the paths of what waits."""
        return self._look_up()

    def _look_up(self) -> dict[str, tuple[int, int, float]]:
        if self._known is None:
            with self._catalogue.read() as connection:
                rows = connection.execute(select(awaiting).where(awaiting.c.source == self._source))
                self._known = {row.path: (row.size, row.mtime_ns, row.since) for row in rows}
        return self._known

    def unfinished(self) -> set[str]:
        """Give the paths of what waits in quarantine for nothing but the files that belong to it."""
        query = (
            select(held_file.c.path, quarantine.c.counts)
            .join(quarantine, quarantine.c.id == held_file.c.quarantine_id)
            .where(quarantine.c.source == self._source, quarantine.c.state == "WAITING")
        )
        with self._catalogue.read() as connection:
            return {row.path for row in connection.execute(query) if INCOMPLETE in row.counts}

    def note(self, files: Sequence[File], since: Mapping[str, float]) -> None:
        """Write since when files wait; those that wait no more are forgotten."""
        by_path = {file.path: file for file in files if file.path in since}
        wanted = {path: (file.size, file.mtime_ns, since[path]) for path, file in by_path.items()}
        known = self._known or {}
        if wanted == known:
            return
        gone = [path for path, each in known.items() if wanted.get(path) != each]
        new = [path for path, each in wanted.items() if known.get(path) != each]

        def work(connection: Connection) -> None:
            # Another process may look at the same source: what it wrote in the meantime is written over.
            for part in chunks([*gone, *new]):
                where = (awaiting.c.source == self._source, awaiting.c.path.in_(part))
                connection.execute(delete(awaiting).where(*where))
            if new:
                rows = [
                    dict(zip(("size", "mtime_ns", "since"), wanted[path], strict=True), source=self._source, path=path)
                    for path in new
                ]
                connection.execute(insert(awaiting), rows)

        self._catalogue.repeat(work)
        self._known = wanted
