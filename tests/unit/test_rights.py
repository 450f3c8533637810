"""Who may do what: every action for every role, everywhere, in the right project, in another one, with tokens."""

import itertools

import pytest

from aliquot.access.by import By, at_the_machine, nobody, refusal, unseen
from aliquot.access.rights import ALL, EVERYWHERE, NOTHING, RIGHTS, Rights, Role
from aliquot.model.errors import Denied, NotSignedIn, Unseen

ROLES = list(Role)


@pytest.mark.parametrize(("action", "role"), list(itertools.product(RIGHTS, ROLES)))
def test_each_role_may_do_what_its_row_says_and_where_it_says(action: str, role: Role) -> None:
    right = RIGHTS[action]
    listed = ROLES.index(role) >= ROLES.index(right.least)
    everywhere, blue = Rights({EVERYWHERE: role}), Rights({"blue": role})
    assert everywhere.allow(action, "blue") == listed
    assert everywhere.projects(action) == (None if listed else frozenset())
    match right.reach:
        case "project":
            assert (blue.allow(action, "blue"), blue.allow(action, "red")) == (listed, False)
            assert blue.projects(action) == (frozenset({"blue"}) if listed else frozenset())
        case "lab":
            assert not blue.allow(action, "blue")
        case "self":
            assert blue.allow(action) == listed


@pytest.mark.parametrize("action", RIGHTS)
def test_nobody_may_do_anything_and_an_administrator_everything(action: str) -> None:
    assert not NOTHING.allow(action, "blue")
    assert ALL.allow(action, "blue")


@pytest.mark.parametrize("action", ["", "dataset", "dataset.*", "*", "DATASET.READ", "dataset.fly"])
def test_what_the_table_does_not_list_nobody_may_do(action: str) -> None:
    assert not ALL.allow(action, "lab")
    assert ALL.projects(action) == frozenset()
    assert refusal(at_the_machine("ana", "here"), action).code == "action-unknown"


@pytest.mark.parametrize("action", RIGHTS)
def test_a_token_narrows_and_never_widens(action: str) -> None:
    person = Rights({EVERYWHERE: Role.TECHNICIAN, "blue": Role.SCIENTIST})
    for scope, only, project in itertools.product(
        (None, frozenset({action}), frozenset({"other"})), (None, "blue", "red"), ("blue", "red")
    ):
        token = Rights(person.roles, scope, only)
        if token.allow(action, project):
            assert person.allow(action, project)
            assert scope is None or action in scope
            assert RIGHTS[action].reach == "self" or only in (None, project)


def test_the_higher_of_two_roles_counts() -> None:
    both = Rights({EVERYWHERE: Role.VIEWER, "blue": Role.SCIENTIST, "red": Role.TECHNICIAN})
    assert [both.role_in(each) for each in ("blue", "red", "green")] == ["scientist", "technician", "viewer"]
    assert both.projects("quarantine.release") == {"blue"}
    assert both.projects("run.start") == {"blue", "red"}
    assert both.projects("dataset.read") is None


def test_a_refusal_says_who_can_help() -> None:
    viewer = By("vera", "session", Rights({"blue": Role.VIEWER}))
    denied = refusal(viewer, "run.start", "blue")
    assert isinstance(denied, Denied)
    assert denied.http_status == 403
    assert "role technician in the project blue" in denied.message
    unknown = refusal(nobody("192.0.2.7"), "run.start", "blue")
    assert isinstance(unknown, NotSignedIn)
    assert unknown.http_status == 401
    narrow = By("vera", "token", Rights({EVERYWHERE: Role.SCIENTIST}, frozenset({"run.read"})))
    assert "This token" in refusal(narrow, "run.start", "blue").message


def test_who_has_no_role_in_a_project_is_told_what_they_are_told_of_nothing() -> None:
    viewer = By("vera", "session", Rights({"blue": Role.VIEWER}))
    narrow = By("vera", "token", Rights({EVERYWHERE: Role.ADMINISTRATOR}, only="blue"))
    nothing = unseen()
    for by in (viewer, narrow):
        hidden = refusal(by, "dataset.read", "red", "dataset plates")
        assert isinstance(hidden, Unseen)
        assert hidden.document() == nothing.document()
        assert hidden.http_status == 404
        assert hidden.refused == ("dataset.read", "red")
    assert nothing.refused is None
    # What is of the whole lab is nobody's secret.
    assert refusal(viewer, "audit.read").code == "access-denied"
