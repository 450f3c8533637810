"""A lab of two projects that touch each other, served."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from aliquot.access.rights import EVERYWHERE, Role
from aliquot.access.secret_words import form_word
from aliquot.lab import Lab, acts_data, definitions, open_lab
from aliquot.lab.accepted import types_for
from aliquot.lab.api_run import Run
from aliquot.lab.starting import Wish, start_wished
from aliquot.server.serve import Server
from aliquot.server.settings import read_settings
from projects_lab import MACHINE, add_person, session_of, token_of, write_pipeline, write_settings

ROLES: Mapping[str, Mapping[str, Role]] = {
    "rob": {"red": Role.TECHNICIAN},
    "sam": {"red": Role.SCIENTIST},
    "lea": {"red": Role.TECHNICIAN, "blue": Role.SCIENTIST},
    "kim": {"red": Role.SCIENTIST, "blue": Role.SCIENTIST},
    "ada": {EVERYWHERE: Role.ADMINISTRATOR},
}
"""The people, with their role by project."""


class TwoProjects:
    """The lab, and clients of its server."""

    def __init__(self, lab: Lab, address: str) -> None:
        self.lab = lab
        self.address = address

    def client(self, name: str) -> httpx.Client:
        """Give a client of somebody who has signed in."""
        word = session_of(self.lab, name)
        headers = {"x-csrf-token": form_word(word), "accept": "application/json"}
        return httpx.Client(base_url=self.address, cookies={"aliquot_session": word}, headers=headers, timeout=120)

    def token(self, name: str, only: str, *scope: str) -> httpx.Client:
        """Give a client with a token of somebody's for one project."""
        word, _ = token_of(self.lab, name, list(scope), only)
        return httpx.Client(base_url=self.address, headers={"authorization": f"Bearer {word}"}, timeout=120)

    def file(self, name: str, text: str = "well,value\nA1,1\n") -> Path:
        """Write a file that is taken in by hand."""
        place = self.lab.folder / "hand" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
        return place

    def take(self, dataset: str, project: str, name: str, text: str = "well,value\nA1,1\n") -> list[int]:
        """Take a file in by hand, for the lab; gives the numbers of what was refused."""
        types = types_for(self.lab, "azure-arrivals")
        taken, _ = acts_data.ingest(self.lab, MACHINE, dataset, [self.file(name, text)], types, project)
        return [each.id for each in taken.quarantined]

    def run(self, pipeline: str, *, publish: bool) -> int:
        """Run a pipeline to its end."""
        number = self.lab.catalogue.repeat(lambda c: start_wished(c, Wish(pipeline, publish=publish), MACHINE))
        assert Run(self.lab, number).wait(90) == "COMPLETE"
        return number


@contextmanager
def two_projects(folder: Path) -> Generator[TwoProjects]:
    """Make the lab, and serve it: run 1 is blue's and reads red's plates, run 2 is red's and has the same to do."""
    write_settings(folder, {"blue": "inbox", "red": "outbox"}, "arrivals")
    write_pipeline(folder, "azure-joint", "blue", "crimson-plates", "azure-copies")
    write_pipeline(folder, "azure-later", "blue", "azure-plates", "azure-results")
    write_pipeline(folder, "crimson-count", "red", "crimson-plates", "crimson-counts")
    write_pipeline(folder, "crimson-joint", "red", "azure-plates", "crimson-joints")
    with open_lab(folder) as lab:
        definitions.apply(lab)
        for name, roles in ROLES.items():
            add_person(lab, name, roles)
        with Server(lab, read_settings("127.0.0.1:0")) as server:
            made = TwoProjects(lab, server.address)
            made.take("azure-plates", "blue", "azure.csv")
            made.take("crimson-plates", "red", "crimson.csv")
            assert (made.run("azure-joint", publish=True), made.run("crimson-count", publish=False)) == (1, 2)
            yield made
