"""What was counted and drawn up once, for as long as nothing has moved of which it tells."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Text, case, func, literal, select
from sqlalchemy import cast as as_type

from aliquot.db.tables import event, task

T = TypeVar("T")

_MOST = 500
"""Answers that are kept of each database, those that were asked for last."""

_newest = (select(func.max(event.c.id)).scalar_subquery(), select(func.max(task.c.id)).scalar_subquery())
_snapshot = func.pg_current_snapshot()
_under_way = case(
    (func.pg_snapshot_xmin(_snapshot) == func.pg_snapshot_xmax(_snapshot), literal("")),
    else_=as_type(_snapshot, Text),
)
_MARKS = {"sqlite": select(*_newest), "postgresql": select(*_newest, _under_way)}


class _Kept:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Hashable, object]] = OrderedDict()

    def find(self, question: Hashable, mark: Hashable) -> list[object]:
        with self._lock:
            found = self._kept.get(question)
            if found is None or found[0] != mark:
                return []
            self._kept.move_to_end(question)
            return [found[1]]

    def keep(self, question: Hashable, mark: Hashable, answer: object) -> None:
        with self._lock:
            self._kept[question] = (mark, answer)
            self._kept.move_to_end(question)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)


_of: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()
_lock = threading.Lock()


def task_mark(connection: Connection) -> Hashable:
    """Give what is another value as soon as any task has been planned or has changed its state.

    The database writes each change of a state as an event, and numbers only grow. On PostgreSQL one of a lower number
    may be committed later: while others write, the mark is the snapshot itself.
    """
    return tuple(connection.execute(_MARKS[connection.dialect.name]).one())


def while_unmoved(connection: Connection, question: Hashable, make: Callable[[], T]) -> T:
    """Give what `make` gives of tasks: what it gave before where no task has moved since; it is not to be changed."""
    return _kept(connection, question, lambda: task_mark(connection), make)


def once(connection: Connection, question: Hashable, make: Callable[[], T]) -> T:
    """Give what `make` gives of what never changes, such as an old version; the question names it by its digest."""
    return _kept(connection, question, lambda: None, make)


def _kept(connection: Connection, question: Hashable, mark_of: Callable[[], Hashable], make: Callable[[], T]) -> T:
    # What is being written may yet be taken back.
    if connection.info.get("writes", True):
        return make()
    with _lock:
        kept = _of.setdefault(connection.engine, _Kept())
    mark = mark_of()
    for answer in kept.find(question, mark):
        return cast("T", answer)
    made = make()
    kept.keep(question, mark, made)
    return made
