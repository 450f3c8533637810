"""People on both databases: names that nobody has, tries at once, administrators who disable each other."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select

from aliquot.access.by import at_the_machine
from aliquot.access.people import add_person, disable, people, set_password
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.access.sessions import by_session, sign_in
from aliquot.access.throttle import FREE, count_try
from aliquot.access.tokens import by_token, make_token
from aliquot.db import Catalogue
from aliquot.db.access_tables import audit
from aliquot.model.errors import AliquotError, Conflict, NotSignedIn, TooOften

pytestmark = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

ROOT = at_the_machine("root", "bench")
PASSWORD = "four unrelated words here"


def _together(*works: Callable[[], object]) -> list[AliquotError | None]:
    ends: list[AliquotError | None] = [None] * len(works)
    gate = threading.Barrier(len(works))

    def do(at: int, work: Callable[[], object]) -> None:
        gate.wait()
        try:
            work()
        except AliquotError as error:
            ends[at] = error

    threads = [threading.Thread(target=do, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def test_signing_in_with_password_and_token(catalogue: Catalogue) -> None:
    with catalogue.write() as connection:
        add_person(connection, ROOT, "ana", {"blue": Role.TECHNICIAN})
        set_password(connection, ROOT, "ana", PASSWORD)
        word, _ = make_token(connection, ROOT, "ana", "robot", ["run.start"], "blue")
    assert by_session(catalogue, sign_in(catalogue, "ana", PASSWORD, "::1").word).may("run.start", "blue")
    assert by_token(catalogue, word).may("run.start", "blue")


@pytest.mark.parametrize("name", ["ana\0", "\ud800", "x" * 100_000, "' OR 1=1 --", "<b>ana</b>"])
def test_any_name_can_be_tried_and_is_kept(catalogue: Catalogue, name: str) -> None:
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            sign_in(catalogue, name, name, "\0")
    with pytest.raises(NotSignedIn):
        by_session(catalogue, name)
    with catalogue.read() as connection:
        assert connection.execute(select(audit.c.outcome)).scalars().all() == ["denied", "denied"]


def test_two_administrators_who_disable_each_other_do_not_both_succeed(catalogue: Catalogue) -> None:
    with catalogue.write() as connection:
        for name in ("ana", "bob"):
            add_person(connection, ROOT, name, {EVERYWHERE: Role.ADMINISTRATOR})
    ends = _together(
        *(
            lambda name=name: catalogue.repeat(lambda connection: disable(connection, ROOT, name))
            for name in ("ana", "bob")
        )
    )
    assert sorted(isinstance(each, Conflict) for each in ends) == [False, True]
    with catalogue.read() as connection:
        assert [each.disabled_at is None for each in people(connection)].count(True) == 1


def test_tries_at_once_are_all_counted(catalogue: Catalogue) -> None:
    def attempt() -> None:
        catalogue.repeat(lambda connection: count_try(connection, {"name": "ana", "place": "::1"}))

    ends = _together(*[attempt] * (FREE["name"] + 4))
    assert sum(isinstance(each, TooOften) for each in ends) == 4
    assert ends.count(None) == FREE["name"]
