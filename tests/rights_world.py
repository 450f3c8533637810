"""A lab in which two projects have the same things, and everybody who could ask about them over HTTP."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from aliquot.access import links, people, sessions, tokens
from aliquot.access.by import at_the_machine
from aliquot.access.rights import EVERYWHERE, NOTHING, Rights, Role
from aliquot.access.secret_words import form_word
from aliquot.db.tables import quarantine, receipt, run
from aliquot.lab import Lab, approving, open_lab
from aliquot.server.serve import Server
from aliquot.server.settings import read_settings
from lab_folder import LabFolder
from projects_lab import (
    MACHINE,
    PROJECTS,
    add_person,
    session_of,
    table_of,
    token_of,
    write_pipeline,
    write_settings,
)


def other_of(project: str) -> str:
    """Give the other project."""
    return "red" if project == "blue" else "blue"


@dataclass(slots=True)
class Asker:
    """Somebody who asks, what they may do, and what their requests carry."""

    label: str
    name: str
    rights: Rights
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cookies: dict[str, str] = field(default_factory=dict[str, str])
    word: str = ""
    """What their forms carry."""

    @property
    def known(self) -> bool:
        """Say whether it is somebody at all."""
        return self.rights is not NOTHING


@dataclass(slots=True)
class World:
    """The lab, its server's address, who asks, and by project what things are called."""

    lab: Lab
    address: str
    askers: list[Asker]
    things: Mapping[str, Mapping[str, str]]
    counter: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def someone(self) -> str:
        """Make an account that nobody asks with."""
        name = f"someone{next(self.counter)}"
        add_person(self.lab, name, {EVERYWHERE: Role.VIEWER})
        return name

    def session(self) -> int:
        """Sign somebody in, and give the number of the session."""
        name = self.someone()
        session_of(self.lab, name)
        with self.lab.catalogue.read() as connection:
            return sessions.sessions(connection, name)[0].id

    def token_of(self, name: str) -> int:
        """Make a token of somebody, and give its number."""
        return token_of(self.lab, name, ["run.read"])[1].id

    def link(self) -> str:
        """Make a one-time link, and give its word."""
        name = self.someone()
        return self.lab.catalogue.repeat(lambda c: links.make_link(c, MACHINE, name, "invitation"))

    def everything(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Give each project with what is in it, and the run and the dataset of the other one."""
        for project in PROJECTS:
            other = self.things[other_of(project)]
            more = {"other_run": other["run"], "other_dataset": other["dataset"]}
            yield project, {**self.things[project], **more}

    def value_of(self, route: str, name: str, asker: str, thing: Mapping[str, str]) -> object:
        """Give what stands for `{name}` in a path: something that is there, in the project of `thing`."""
        noun = route.removeprefix("/api/v1").split("/")[1]
        if route.startswith("/administration/"):
            noun = route.split("/")[2]
        found = {
            ("datasets", "name"): thing["dataset"], ("datasets", "version"): "1", ("datasets", "before"): "0",
            ("datasets", "path"): thing["file"], ("datasets", "tag"): "odd-tag",
            ("pipelines", "name"): thing["pipeline"],
            ("runs", "number"): thing["run"], ("runs", "other"): thing["other_run"], ("runs", "step"): "copy",
            ("runs", "ordinal"): "1", ("runs", "attempt"): "1", ("runs", "stream"): "stdout",
            ("runs", "path"): thing["file"], ("events", "number"): thing["run"],
            ("quarantine", "number"): thing["held"], ("quarantine", "path"): thing["held_file"],
            ("receipts", "number"): thing["receipt"], ("approvals", "number"): thing["approval"],
            ("sources", "name"): thing["source"], ("projects", "project"): thing["project"],
            ("people", "project"): thing["project"], ("hub", "name"): thing["table"], ("audit", "number"): "1",
        }.get((noun, name))  # fmt: skip
        if found is not None:
            return found
        made: dict[tuple[str, str], Callable[[], object]] = {
            ("people", "name"): self.someone, ("sessions", "number"): self.session,
            ("tokens", "number"): lambda: self.token_of(asker or "administrator"),
            ("uploads", "upload"): lambda: self.upload(asker), ("welcome", "word"): self.link,
        }  # fmt: skip
        assert (noun, name) in made, f"{route}: say here what stands for {{{name}}}"
        return made[noun, name]()

    def upload(self, name: str) -> str:
        """Make an upload of somebody that is complete."""
        by = at_the_machine(name, "here")
        begun = self.lab.uploads.create(by, f"up{next(self.counter)}.txt", 4)
        with self.lab.uploads.writing(by, begun.id, 0) as writing:
            writing.add(b"text")
        return begun.id


@contextmanager
def rights_world(folder: Path) -> Iterator[World]:
    """Make the lab, and serve it."""
    made = LabFolder(folder)
    write_settings(folder, {project: f"inbox/{word}" for project, word in PROJECTS.items()}, "readings")
    for of, word in PROJECTS.items():
        write_pipeline(folder, f"{word}-copies", of, f"{word}-readings", f"{word}-copies")
        made.write(f"inbox/{word}/{word}.csv", "well,value\nA1,1\n")
        for number in (1, 2):
            made.write(f"inbox/{word}/{word}-bad{number}.csv", "well,value\nA1,-5\n")
    made.run("apply")
    made.up(expect=None)
    for word in PROJECTS.values():
        made.run("run", "start", f"{word}-copies", "--publish", "--wait")
    # With a second person asked for, nothing is released while everybody tries.
    with (folder / "aliquot.yaml").open("a") as file:
        file.write("approvals: {quarantine.release: true}\n")
    with open_lab(folder) as lab:
        askers = _askers(lab)
        things = {of: _things(lab, of, word) for of, word in PROJECTS.items()}
        with Server(lab, read_settings("127.0.0.1:0")) as server:
            yield World(lab, server.address, askers, things)


def _things(lab: Lab, project: str, word: str) -> dict[str, str]:
    """Look up what stands for each name in a path."""
    with lab.catalogue.read() as connection:
        number = connection.execute(select(run.c.id).where(run.c.project == project)).scalars().first()
        held = connection.execute(select(quarantine.c.id).where(quarantine.c.project == project)).scalars().all()
        arrived = connection.execute(select(receipt.c.id).where(receipt.c.path.contains(word))).scalars().first()
    asked = approving.ask_release(lab, MACHINE, held[0], "it is right")
    return {
        "word": word, "dataset": f"{word}-readings", "pipeline": f"{word}-copies", "table": table_of(f"{word}-copies"),
        "run": str(number), "held": str(held[0]), "receipt": str(arrived), "approval": str(asked.id),
        "source": f"{word}-reader", "file": f"{word}.csv", "held_file": f"{word}-bad1.csv", "project": project,
    }  # fmt: skip


def _askers(lab: Lab) -> list[Asker]:
    found = [
        _signed_in(lab, "viewer-blue", {"blue": Role.VIEWER}),
        _signed_in(lab, "technician-blue", {"blue": Role.TECHNICIAN}),
        _signed_in(lab, "scientist-blue", {"blue": Role.SCIENTIST}),
        _signed_in(lab, "scientist-all", {EVERYWHERE: Role.SCIENTIST}),
        _signed_in(lab, "administrator", {EVERYWHERE: Role.ADMINISTRATOR}),
    ]
    narrow = ["dataset.read", "run.start", "table.read", "home.read"]
    found.append(_with_token(lab, "token of an administrator for blue", "administrator", narrow, "blue"))
    guest = Asker("nobody", "", NOTHING, cookies={"aliquot_guest": "a guest"}, word=form_word("a guest"))
    return [*found, guest]


def _signed_in(lab: Lab, label: str, roles: Mapping[str, Role]) -> Asker:
    add_person(lab, label, roles)
    word = session_of(lab, label)
    return Asker(label, label, Rights(roles), cookies={"aliquot_session": word}, word=form_word(word))


def _with_token(lab: Lab, label: str, of: str, scope: list[str], only: str | None) -> Asker:
    word, made = token_of(lab, of, scope, only)
    with lab.catalogue.read() as connection:
        roles = people.find_person(connection, of).roles
    rights = Rights(roles, frozenset(made.scope) - tokens.NEVER, only)
    return Asker(label, of, rights, headers={"authorization": f"Bearer {word}"})
