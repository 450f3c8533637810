"""An act of a person in a process that is killed: `python audited_program.py FOLDER ACT before|after`.

It is killed with SIGKILL in the first transaction that changes something, before it is committed or as soon as it is.
"""

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, func, select

from aliquot.db import Catalogue
from aliquot.db.tables import blob, quarantine, version
from aliquot.lab import Lab, acts_data, door
from aliquot.lab.accepted import types_for

State = tuple[int, ...]


def state_of(connection: Connection) -> State:
    """Count what the acts change."""
    queries = (
        select(func.count()).select_from(version), select(func.count()).select_from(quarantine),
        select(func.count()).where(quarantine.c.state != "WAITING"), select(func.count()).where(blob.c.doomed_at > 0),
        select(func.count()).where(blob.c.swept_at > 0),
    )  # fmt: skip
    return tuple(connection.execute(each).scalar_one() for each in queries)


class Dying(Catalogue):
    """A catalogue whose process is killed when something changes."""

    def __init__(self, of: Catalogue, moment: str) -> None:
        super().__init__(of.engine)
        self.moment = moment
        with self.read() as connection:
            self.before = state_of(connection)

    @contextmanager
    def write(self) -> Generator[Connection]:
        with super().write() as connection:
            yield connection
            changed = state_of(connection) != self.before
            if changed and self.moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
        if changed:
            os.kill(os.getpid(), signal.SIGKILL)


class DyingLab(Lab):
    @cached_property
    def catalogue(self) -> Catalogue:
        return Dying(super().catalogue, sys.argv[3])


def main() -> None:
    folder, act = Path(sys.argv[1]), sys.argv[2]
    with DyingLab(folder) as lab:
        if act in {"accepted", "refused"}:
            acts_data.ingest(lab, lab.by, "plates", [folder / f"{act}.csv"], types_for(lab, "plates"))
        elif act == "unseen":
            acts_data.ingest(lab, lab.by, "loose", [folder / "many"])
        elif act == "resubmit":
            door.resubmit(lab, lab.by, 1, [folder / "accepted.csv"], "typed anew")
        elif act == "release":
            door.release(lab, lab.by, 1, "it is right")
        else:
            acts_data.sweep_store(lab, lab.by, dry_run=False)


if __name__ == "__main__":
    main()
