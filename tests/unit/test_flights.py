"""What a supervisor knows of its attempts: news where there is some, everything now and then."""

from collections.abc import Iterable

from aliquot.engine.flight import Flight, Flights
from aliquot.engine.taken import Taken
from aliquot.model.digest import digest_bytes
from aliquot.model.seams import Handle, Sighting
from aliquot.model.state import State
from aliquot.model.task import Outcome, TaskDocument
from instant_executor import InstantExecutor, copied


def row(number: int, fence: int = 1) -> Taken:
    return Taken(number, 1, "step", number, f"key {number}", {}, False, "me", 0, None, 0, fence, 0.0, 0.0)


def document(given: Taken) -> TaskDocument:
    return TaskDocument(digest_bytes(b""), given.id, given.fence, "step", "true", "memory://")


class Slow(InstantExecutor):
    """Attempts end when they are let end, and `told` says which ended of late."""

    def __init__(self) -> None:
        super().__init__(lambda document: copied(document) if document.task in self.done else None)
        self.done: set[int] = set()
        self.told: list[Handle] = []
        self.asked = 0

    def fresh(self) -> list[Handle]:
        told, self.told = self.told, []
        return told

    def look(self, handles: Iterable[Handle]) -> list[Sighting]:
        asked = list(handles)
        self.asked += len(asked)
        return super().look(asked)


def under_way(flights: Flights, rows: list[Taken]) -> None:
    flights.add(rows)
    flights.submit([(flight, document(flight.row)) for flight in flights.waiting])
    assert flights.waiting == []


def ended(flights: Flights) -> list[tuple[Flight, Outcome]]:
    return flights.look()[0]


def test_of_thousands_only_those_are_looked_at_of_which_there_is_news() -> None:
    executor = Slow()
    now = 0.0
    flights = Flights(lambda _: executor, clock=lambda: now)
    under_way(flights, [row(number) for number in range(3000)])
    assert ended(flights) == []
    assert executor.asked == 3000
    executor.done = {7, 8}
    executor.told = [Handle("7-1"), Handle("somebody's")]
    found = ended(flights)
    assert [flight.row.id for flight, _ in found] == [7]
    assert executor.asked == 3001
    flights.landed(found)
    assert len(flights) == 2999
    assert ended(flights) == [], "an outcome of which no word came"
    now = 60.0
    assert [flight.row.id for flight, _ in ended(flights)] == [8]


def test_the_outcome_of_an_older_attempt_is_not_that_of_the_newer() -> None:
    executor = Slow()
    flights = Flights(lambda _: executor)
    under_way(flights, [row(1), row(2)])
    under_way(flights, [row(1, fence=2)])
    executor.done = {1}
    (found,) = ended(flights)
    assert (found[0].row.fence, found[1].fence, found[1].state) == (2, 2, State.COMPLETE)
    flights.landed([found])
    assert [flight.row.id for flight in flights] == [2]
    assert ended(flights) == []


def test_what_is_withdrawn_is_looked_at_no_more() -> None:
    class Patient(Slow):
        def withdraw(self, handles: Iterable[Handle]) -> list[Handle]:
            return list(handles)

    executor = Patient()
    flights = Flights(lambda _: executor)
    under_way(flights, [row(1), row(2)])
    flights.withdraw([flight for flight in flights if flight.row.id == 1])
    assert flights.returned == {1: 1}
    executor.done = {1, 2}
    assert [flight.row.id for flight, _ in ended(flights)] == [2]
