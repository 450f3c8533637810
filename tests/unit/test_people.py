"""Accounts, sessions, tokens, links and the limits of sign-ins."""

import time

import pytest
from sqlalchemy import select, update

from aliquot.access import audit
from aliquot.access.by import By, at_the_machine
from aliquot.access.known_elsewhere import roles_of
from aliquot.access.links import first_administrator, make_link, use_link, whose_link
from aliquot.access.passwords import hash_password, is_right
from aliquot.access.people import add_person, disable, find_person, members, people, set_password, set_role
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.access.secret_words import form_word, is_form_word
from aliquot.access.sessions import by_session, end_session, sessions, sign_in
from aliquot.access.started import LASTS, come_back, spend, start
from aliquot.access.throttle import FREE, count_try
from aliquot.access.tokens import by_token, end_token, make_token, tokens
from aliquot.db import Catalogue
from aliquot.db.access_tables import audit as audit_table
from aliquot.db.access_tables import link, member, person, session, token
from aliquot.model.errors import Conflict, Denied, Invalid, Missing, NotSignedIn, TooOften

ROOT = at_the_machine("root", "bench")
PASSWORD = "four unrelated words here"


def _add(catalogue: Catalogue, name: str, role: Role = Role.SCIENTIST, project: str = EVERYWHERE) -> None:
    with catalogue.write() as connection:
        add_person(connection, ROOT, name, {project: role})
        set_password(connection, ROOT, name, PASSWORD)


def _rows(catalogue: Catalogue) -> list[tuple[str, str, str, str]]:
    with catalogue.read() as connection:
        query = select(audit_table).order_by(audit_table.c.number)
        return [(row.who, row.action, row.subject, row.outcome) for row in connection.execute(query)]


def _written(catalogue: Catalogue) -> str:
    with catalogue.read() as connection:
        tables = (person, member, session, token, link, audit_table)
        return "\n".join(str(tuple(row)) for each in tables for row in connection.execute(select(each)))


def test_a_password_opens_a_session_and_is_kept_nowhere(catalogue: Catalogue) -> None:
    _add(catalogue, "ana")
    signed = sign_in(catalogue, " Ana ", PASSWORD, "192.0.2.1", "Browser\0")
    by = by_session(catalogue, signed.word, "192.0.2.1", "r1")
    assert (by.name, by.how, by.place, by.request) == ("ana", "session", "192.0.2.1", "r1")
    assert by.may("quarantine.release", "blue")
    assert not by.may("people.manage")
    written = _written(catalogue)
    assert PASSWORD not in written
    assert signed.word not in written
    assert ("ana", "sign in", "person ana", "done") in _rows(catalogue)


@pytest.mark.parametrize(
    ("name", "password"), [("ana", "wrong password"), ("eve", PASSWORD), ("ana\0", PASSWORD), ("", "")]
)
def test_what_is_wrong_is_not_told_and_kept(catalogue: Catalogue, name: str, password: str) -> None:
    _add(catalogue, "ana")
    with pytest.raises(NotSignedIn) as caught:
        sign_in(catalogue, name, password, "192.0.2.1")
    assert caught.value.message.startswith("Name and password do not fit together")
    assert _rows(catalogue)[-1][1::2] == ("sign in", "denied")


def test_without_a_password_nobody_signs_in(catalogue: Catalogue) -> None:
    with catalogue.write() as connection:
        add_person(connection, ROOT, "ana", {EVERYWHERE: Role.VIEWER})
    for given in ("", "nobody's password", "None"):
        with pytest.raises(NotSignedIn):
            sign_in(catalogue, "ana", given, "192.0.2.1")


def test_sessions_end_by_age_by_idleness_and_by_hand(catalogue: Catalogue) -> None:
    _add(catalogue, "ana")
    words = [sign_in(catalogue, "ana", PASSWORD, "192.0.2.1").word for _ in range(3)]
    ids = [by_session(catalogue, word).session for word in words]
    with catalogue.write() as connection:
        connection.execute(update(session).where(session.c.id == ids[0]).values(expires_at=time.time() - 1))
        connection.execute(update(session).where(session.c.id == ids[1]).values(used_at=time.time() - 3 * 3600))
        end_session(connection, ROOT, ids[2])
    for word in [*words, "", "forged", "x" * 10_000, "\ud800"]:
        with pytest.raises(NotSignedIn):
            by_session(catalogue, word)
    with catalogue.write() as connection:
        assert sessions(connection) == []
        with pytest.raises(Missing):
            end_session(connection, ROOT, ids[2])


def test_use_keeps_a_session_alive_and_is_seldom_written(catalogue: Catalogue) -> None:
    _add(catalogue, "ana")
    word = sign_in(catalogue, "ana", PASSWORD, "192.0.2.1").word
    with catalogue.write() as connection:
        connection.execute(update(session).values(used_at=time.time() - 3600))
    by_session(catalogue, word)
    with catalogue.read() as connection:
        assert connection.execute(select(session.c.used_at)).scalar_one() > time.time() - 60


def test_a_disabled_person_is_out_at_once_and_for_good(catalogue: Catalogue) -> None:
    _add(catalogue, "ana")
    word = sign_in(catalogue, "ana", PASSWORD, "192.0.2.1").word
    with catalogue.write() as connection:
        program, _ = make_token(connection, ROOT, "ana", "robot", ["dataset.read"])
        reset = make_link(connection, ROOT, "ana", "reset")
        disable(connection, ROOT, "ana")
    for attempt in (
        lambda: by_session(catalogue, word),
        lambda: by_token(catalogue, program),
        lambda: sign_in(catalogue, "ana", PASSWORD, "192.0.2.1"),
        lambda: catalogue.repeat(lambda connection: use_link(connection, reset, PASSWORD, "x")),
    ):
        with pytest.raises(NotSignedIn):
            attempt()
    with catalogue.write() as connection:
        disable(connection, ROOT, "ana", disabled=False)
    with pytest.raises(NotSignedIn):
        by_session(catalogue, word)
    with pytest.raises(NotSignedIn):
        by_token(catalogue, program)


def test_a_new_password_ends_the_sessions_of_the_old_one(catalogue: Catalogue) -> None:
    _add(catalogue, "ana")
    word = sign_in(catalogue, "ana", PASSWORD, "192.0.2.1").word
    with catalogue.write() as connection:
        set_password(connection, ROOT, "ana", "other words of hers")
    with pytest.raises(NotSignedIn):
        by_session(catalogue, word)
    with pytest.raises(NotSignedIn):
        sign_in(catalogue, "ana", PASSWORD, "192.0.2.1")
    assert sign_in(catalogue, "ana", "other words of hers", "192.0.2.1").person.name == "ana"


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "the name ana is in it", "x" * 2000])
def test_passwords_that_are_too_easily_guessed_are_refused(password: str) -> None:
    with pytest.raises(Invalid, match="assword"):
        hash_password(password, "ana")


def test_the_first_administrator_comes_in_once_by_a_link(catalogue: Catalogue) -> None:
    with catalogue.write() as connection:
        first = first_administrator(connection, ROOT)
        second = first_administrator(connection, ROOT)
    assert first
    assert second
    with catalogue.write() as connection, pytest.raises(NotSignedIn):
        whose_link(connection, first)
    with catalogue.write() as connection:
        assert use_link(connection, second, PASSWORD, "192.0.2.1").is_administrator
        assert first_administrator(connection, ROOT) is None
    with catalogue.write() as connection, pytest.raises(NotSignedIn):
        use_link(connection, second, PASSWORD, "192.0.2.1")
    assert sign_in(catalogue, "admin", PASSWORD, "192.0.2.1").person.is_administrator


def test_links_grow_old(catalogue: Catalogue) -> None:
    _add(catalogue, "ana")
    with catalogue.write() as connection:
        word = make_link(connection, ROOT, "ana", "invitation")
        connection.execute(update(link).values(expires_at=time.time() - 1))
        with pytest.raises(NotSignedIn):
            use_link(connection, word, PASSWORD, "192.0.2.1")


def test_the_last_administrator_stays(catalogue: Catalogue) -> None:
    _add(catalogue, "ana", Role.ADMINISTRATOR)
    _add(catalogue, "bob", Role.ADMINISTRATOR)
    with catalogue.write() as connection:
        disable(connection, ROOT, "bob")
    for change in (
        lambda connection: disable(connection, ROOT, "ana"),
        lambda connection: set_role(connection, ROOT, "ana", EVERYWHERE, Role.SCIENTIST),
        lambda connection: set_role(connection, ROOT, "ana", EVERYWHERE, None),
    ):
        with pytest.raises(Conflict, match="last administrator"):
            catalogue.repeat(change)
    with catalogue.write() as connection:
        disable(connection, ROOT, "bob", disabled=False)
        assert set_role(connection, ROOT, "ana", EVERYWHERE, None).roles == {}


def test_roles_are_given_and_taken_by_project(catalogue: Catalogue) -> None:
    _add(catalogue, "ana", Role.VIEWER)
    with catalogue.write() as connection:
        set_role(connection, ROOT, "ana", "blue", Role.TECHNICIAN)
        assert members(connection, "blue") == {"ana": Role.TECHNICIAN}
        assert members(connection, "red") == {"ana": Role.VIEWER}
        set_role(connection, ROOT, "ana", EVERYWHERE, None)
        assert members(connection, "red") == {}
        with pytest.raises(Invalid, match="whole lab"):
            set_role(connection, ROOT, "ana", "blue", Role.ADMINISTRATOR)
        with pytest.raises(Conflict):
            add_person(connection, ROOT, "ana", {})
        with pytest.raises(Invalid):
            add_person(connection, ROOT, "Ana <script>", {})
        with pytest.raises(Missing):
            find_person(connection, "eve")
        assert [each.name for each in people(connection)] == ["ana"]
    last = _audit_row(catalogue, "people.manage")
    assert last.before["roles"] == {"*": "viewer", "blue": "technician"}
    assert last.after["roles"] == {"blue": "technician"}


def _audit_row(catalogue: Catalogue, action: str):
    with catalogue.read() as connection:
        query = select(audit_table).where(audit_table.c.action == action).order_by(audit_table.c.number.desc())
        return connection.execute(query.limit(1)).one()


def test_a_token_does_what_its_scope_says_and_what_its_person_still_may(catalogue: Catalogue) -> None:
    _add(catalogue, "ana", Role.TECHNICIAN, "blue")
    with catalogue.write() as connection:
        word, made = make_token(connection, ROOT, "ana", "robot", ["run.start", "run.read"], "blue", days=1)
    assert word not in _written(catalogue)
    by = by_token(catalogue, word, "192.0.2.2")
    assert (by.may("run.start", "blue"), by.may("run.start", "red"), by.may("dataset.read", "blue")) == (
        True,
        False,
        False,
    )
    with catalogue.write() as connection:
        set_role(connection, ROOT, "ana", "blue", Role.VIEWER)
    assert not by_token(catalogue, word).may("run.start", "blue")
    assert by_token(catalogue, word).may("run.read", "blue")
    with catalogue.write() as connection:
        (listed,) = tokens(connection, "ana")
        assert listed.used_at is not None
        end_token(connection, ROOT, made.id)
        end_token(connection, ROOT, made.id)
        assert tokens(connection) == []
        assert len(tokens(connection, ended=True)) == 1
    for each in (word, "aliquot_forged", ""):
        with pytest.raises(NotSignedIn):
            by_token(catalogue, each)


def test_a_token_grows_old(catalogue: Catalogue) -> None:
    _add(catalogue, "ana")
    with catalogue.write() as connection:
        word, _ = make_token(connection, ROOT, "ana", "robot", ["run.read"])
        connection.execute(update(token).values(expires_at=time.time() - 1))
    with pytest.raises(NotSignedIn) as caught:
        by_token(catalogue, word)
    assert caught.value.code == "token-over"


@pytest.mark.parametrize(
    ("scope", "project", "days", "name"),
    [(["run.fly"], None, 1, "x"), (["people.manage"], None, 1, "x"), ([], None, 1, "x"), (["run.read"], None, 0, "x"),
     (["run.read"], None, 4000, "x"), (["run.read"], None, 1, " "), (["lab.sweep"], None, 1, "x"),
     (["run.start"], "red", 1, "x"), (["hub.query"], None, 1, "x")],
)  # fmt: skip
def test_tokens_that_nobody_should_have_are_refused(
    catalogue: Catalogue, scope: list[str], project: str | None, days: float, name: str
) -> None:
    _add(catalogue, "ana", Role.SCIENTIST, "blue")
    with catalogue.write() as connection, pytest.raises((Invalid, Denied)):
        make_token(connection, ROOT, "ana", name, scope, project, days)


def test_many_tries_have_to_wait_by_name_and_by_address(catalogue: Catalogue) -> None:
    at = time.time()
    for _ in range(FREE["name"]):
        catalogue.repeat(lambda connection: count_try(connection, {"name": "ana", "place": "a"}, at))
    with pytest.raises(TooOften) as caught:
        catalogue.repeat(lambda connection: count_try(connection, {"name": "ana", "place": "b"}, at))
    assert caught.value.facts["seconds"] == 2
    catalogue.repeat(lambda connection: count_try(connection, {"name": "ana", "place": "b"}, at + 3))
    with pytest.raises(TooOften) as caught:
        catalogue.repeat(lambda connection: count_try(connection, {"name": "ana", "place": "b"}, at + 4))
    assert caught.value.facts["seconds"] == 3
    for number in range(FREE["place"] - 2):
        catalogue.repeat(lambda connection, n=number: count_try(connection, {"name": f"x{n}", "place": "b"}, at + 5))
    catalogue.repeat(lambda connection: count_try(connection, {"name": "y", "place": "b"}, at + 5))
    with pytest.raises(TooOften):
        catalogue.repeat(lambda connection: count_try(connection, {"name": "z", "place": "b"}, at + 5))
    catalogue.repeat(lambda connection: count_try(connection, {"name": "ana", "place": "b"}, at + 9000))


def test_the_right_password_makes_the_wrong_ones_forgotten(catalogue: Catalogue) -> None:
    _add(catalogue, "ana")
    for _ in range(2):
        for _ in range(FREE["name"] - 1):
            with pytest.raises(NotSignedIn):
                sign_in(catalogue, "ana", "wrong", "192.0.2.1")
        sign_in(catalogue, "ana", PASSWORD, "192.0.2.1")


def test_a_hash_is_compared_and_nonsense_is_wrong() -> None:
    hashed = hash_password(PASSWORD, "ana")
    assert is_right(PASSWORD, hashed)
    assert not is_right(PASSWORD + " ", hashed)
    assert not is_right(PASSWORD, "no hash at all")


def test_forms_carry_the_word_of_their_session_alone() -> None:
    assert is_form_word("a", form_word("a"))
    assert not is_form_word("a", form_word("b"))
    assert not is_form_word("a", "é")


def test_a_denied_try_is_kept_and_raised(catalogue: Catalogue) -> None:
    by = By("vera", "session", find_rights(catalogue))
    with pytest.raises(Denied):
        audit.require(catalogue, by, "run.start", "blue", "pipeline p")
    assert _rows(catalogue)[-1] == ("vera", "run.start", "pipeline p", "denied")
    audit.require(catalogue, by, "run.read", "blue")


def find_rights(catalogue: Catalogue):
    _add(catalogue, "vera", Role.VIEWER)
    with catalogue.read() as connection:
        return find_person(connection, "vera").rights


def test_a_sign_in_by_a_provider_belongs_to_one_browser_and_is_over_in_time(catalogue: Catalogue) -> None:
    begun = start("browser", now=1000)
    assert come_back("browser", begun.state, now=1000 + LASTS - 2) == begun
    assert len({*begun, *start("browser", now=1000)}) == 6
    for browser, at in (("another", 1001), ("browser", 1001 + LASTS), ("browser", 900)):
        with pytest.raises(NotSignedIn, match="begin it again"):
            come_back(browser, begun.state, now=at)
    catalogue.repeat(lambda connection: spend(connection, begun.state))
    with pytest.raises(NotSignedIn):
        catalogue.repeat(lambda connection: spend(connection, begun.state))


def test_of_several_groups_the_highest_role_counts() -> None:
    given = {"a": "viewer", "b": {"blue": "technician"}, "c": {"blue": "scientist", "red": "viewer"}}
    assert roles_of(["c", "b", "x"], given) == {"blue": Role.SCIENTIST, "red": Role.VIEWER}  # type: ignore[arg-type]
    assert roles_of(["a", "b"], given) == {EVERYWHERE: Role.VIEWER, "blue": Role.TECHNICIAN}  # type: ignore[arg-type]
    assert roles_of(["x"], given) == {}  # type: ignore[arg-type]


def test_right_passwords_use_up_nothing_of_an_address(catalogue: Catalogue) -> None:
    _add(catalogue, "ana")
    for _ in range(2 * FREE["place"]):
        sign_in(catalogue, "ana", PASSWORD, "192.0.2.1")
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            sign_in(catalogue, "ana", "wrong", "192.0.2.1")


def test_what_is_typed_for_an_unknown_name_is_kept_nowhere(catalogue: Catalogue) -> None:
    typed = "tr0ub4dor-and-3"
    for _ in range(FREE["name"] + 3):
        with pytest.raises((NotSignedIn, TooOften)):
            sign_in(catalogue, typed, PASSWORD, "192.0.2.1")
    assert typed not in _written(catalogue)
    assert [row[1::2] for row in _rows(catalogue)].count(("sign in", "denied")) >= FREE["name"]
    assert [row[1::2] for row in _rows(catalogue)].count(("sign in too often", "denied")) == 1


def test_tries_with_tokens_are_in_the_audit_once_an_hour(catalogue: Catalogue) -> None:
    _add(catalogue, "ana")
    with catalogue.write() as connection:
        word, made = make_token(connection, ROOT, "ana", "robot", ["dataset.read"])
        end_token(connection, ROOT, made.id)
    for given in ("guess 1", "guess 2", word, "guess 3"):
        for place in ("192.0.2.1", "192.0.2.2"):
            with pytest.raises(NotSignedIn):
                by_token(catalogue, given, place)
    assert [row[1] for row in _rows(catalogue)].count("sign in by token") == 2
