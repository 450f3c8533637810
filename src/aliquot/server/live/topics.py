"""Topics: what a page can wait for, and which of them have moved since the last look at the catalogue."""

from sqlalchemy import Connection, case, func, select

from aliquot.db.tables import event, load, quarantine, receipt, run, task, version

ARRIVALS, QUARANTINE, RUNS, VERSIONS = "arrivals", "quarantine", "runs", "versions"
"""Topics of the lab; `run-12` is one run's."""
GENERAL = (ARRIVALS, QUARANTINE, RUNS, VERSIONS)

_FAR = 10_000
"""After so many events nobody looks through them for those of one run."""
_BACK = 200
"""So many rows before the newest are looked at again: a transaction may commit later than one with a higher id."""


def topic_of_run(number: int) -> str:
    """Name the topic of one run."""
    return f"run-{number}"


def has_moved(connection: Connection, run_number: int, since: int) -> bool:
    """Say whether a run may have moved since an event of this number; after very many, it is taken to have."""
    newest = connection.execute(select(func.max(event.c.id))).scalar() or 0
    if newest - since > _FAR:
        return True
    of = case((event.c.kind == "run", event.c.subject), else_=task.c.run_id)
    query = (
        select(event.c.id)
        .outerjoin_from(event, task, (event.c.kind == "task") & (task.c.id == event.c.subject))
        .where(event.c.id > since - _BACK, of == run_number)
    )
    return connection.execute(query.limit(1)).first() is not None


class Look:
    """Looks again and again; a look at which nothing has moved costs one statement."""

    def __init__(self) -> None:
        self._marks: dict[str, object] = {}
        self._event = 0
        self._seen: set[int] = set()

    @property
    def newest(self) -> int:
        """Give the number of the newest event that was seen."""
        return self._event

    def look(self, connection: Connection) -> set[str]:
        """Give the topics that have moved since the look before; the first look gives none."""
        now = dict(connection.execute(_MARKS).mappings().one())
        before, self._marks = self._marks, now
        newest = int(now["event"] or 0)
        if not before:
            self._event, self._seen = newest, self._window(connection, newest)
            return set()
        moved = {_TOPIC_OF[name] for name, value in now.items() if name in _TOPIC_OF and before[name] != value}
        if newest != self._event:
            runs = self._runs(connection, newest)
            moved |= {topic_of_run(each) for each in runs} | ({RUNS} if runs else set())
        return moved

    def _runs(self, connection: Connection, newest: int) -> set[int]:
        last, self._event = self._event, newest
        before = self._seen
        self._seen = self._window(connection, newest)
        late = [each for each in self._seen - before if each <= last]
        of = case((event.c.kind == "run", event.c.subject), else_=task.c.run_id)
        query = (
            select(of).distinct().outerjoin_from(event, task, (event.c.kind == "task") & (task.c.id == event.c.subject))
        ).where((event.c.id > last) | event.c.id.in_(late))
        return {each for each in connection.execute(query).scalars() if each is not None}

    def _window(self, connection: Connection, newest: int) -> set[int]:
        query = select(event.c.id).where(event.c.id > newest - _BACK, event.c.id <= newest)
        return set(connection.execute(query).scalars())


_MARKS = select(
    select(func.max(event.c.id)).scalar_subquery().label("event"),
    select(func.max(receipt.c.id)).scalar_subquery().label("receipt"),
    select(func.max(quarantine.c.id)).scalar_subquery().label("held"),
    select(func.count()).where(quarantine.c.state == "WAITING").scalar_subquery().label("waiting"),
    select(func.max(run.c.id)).scalar_subquery().label("run"),
    select(func.count()).where(load.c.state == "WAITING").scalar_subquery().label("load"),
    select(func.max(version.c.created_at)).scalar_subquery().label("version"),
)
_TOPIC_OF = {
    "receipt": ARRIVALS, "held": QUARANTINE, "waiting": QUARANTINE, "run": RUNS, "load": RUNS, "version": VERSIONS,
}  # fmt: skip
