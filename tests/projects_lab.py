"""What labs of two projects are made of: `azure` stands in what belongs to blue, `crimson` in what belongs to red."""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection

from aliquot.access import people, sessions, tokens
from aliquot.access.by import at_the_machine, nobody
from aliquot.access.rights import Role
from aliquot.lab import Lab

PROJECTS = {"blue": "azure", "red": "crimson"}
"""The projects, with the word that names of their things hold and no others."""

MACHINE = at_the_machine("tester", "here")
_SETTINGS = """
lab: riverside
executor: {kind: process, workers: 1}
projects: [blue, red]
sources:
"""
_TYPE = """
type: reading
recognise: {name: "*.csv"}
format: table
table:
  fields: [{name: well, type: string}, {name: value, type: number, constraints: {minimum: 0}}]
"""
_PIPELINE = """
pipeline: NAME
project: PROJECT
inputs: {plates: {dataset: INPUT}}
parameters: {word: {type: string, default: hello}}
steps:
  copy:
    inputs: {file: {from: plates, glob: "/{name}"}}
    command: cp "$FILE" "$OUT/"
outputs: {copies: {from: copy, publish: OUTPUT}}
tables:
  TABLE:
    from: copy
    glob: "/**.csv"
    mode: replace
    schema: {primaryKey: well, fields: [{name: well, type: string}, {name: value, type: number}]}
"""


def write_settings(folder: Path, watched: Mapping[str, str], into: str) -> None:
    """Write the lab's settings and its one type: a source in each project, which looks at the folder named for it."""
    sources = "".join(
        f"  {word}-reader:\n    watch: ./{watched[project]}\n    settled: {{quiet: 0s}}\n    project: {project}\n"
        f"    accept: [{{type: reading, into: {word}-{into}}}]\n"
        for project, word in PROJECTS.items()
    )
    (folder / "types").mkdir(parents=True)
    (folder / "aliquot.yaml").write_text(_SETTINGS + sources)
    (folder / "types/reading.yaml").write_text(_TYPE)
    for each in watched.values():
        (folder / each).mkdir(parents=True, exist_ok=True)


def write_pipeline(folder: Path, name: str, project: str, given: str, publish: str) -> None:
    """Write a pipeline that copies the files of a dataset, and loads them into a table that is called as the copies."""
    words = {"NAME": name, "PROJECT": project, "INPUT": given, "OUTPUT": publish, "TABLE": table_of(publish)}
    text = _PIPELINE
    for word, value in words.items():
        text = text.replace(word, value)
    (folder / "pipelines").mkdir(exist_ok=True)
    (folder / f"pipelines/{name}.yaml").write_text(text)


def table_of(publish: str) -> str:
    """Give the name of the table into which a pipeline loads what it publishes."""
    return publish.replace("-", "_")


def add_person(lab: Lab, name: str, roles: Mapping[str, Role]) -> None:
    """Make an account."""
    lab.catalogue.repeat(lambda connection: people.add_person(connection, MACHINE, name, roles))


def session_of(lab: Lab, name: str) -> str:
    """Sign somebody in, and give the word of their session."""

    def work(connection: Connection) -> str:
        return sessions.open_session(connection, people.find_person(connection, name), nobody("there")).word

    return lab.catalogue.repeat(work)


def token_of(lab: Lab, name: str, scope: list[str], only: str | None = None) -> tuple[str, tokens.Token]:
    """Make a token of somebody's, and give its word with what is kept of it."""
    return lab.catalogue.repeat(lambda c: tokens.make_token(c, MACHINE, name, "a test", scope, only, 1))
