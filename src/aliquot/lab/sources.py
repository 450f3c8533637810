"""What `apply` has to ask about sources that were set up over buckets, and having a source looked at now."""

from collections.abc import Collection

from sqlalchemy import Connection

from aliquot.access import audit
from aliquot.access.by import By, require_may, unseen
from aliquot.definitions.found import Definitions
from aliquot.definitions.problem import Problem, instead, refuse, sentence_end
from aliquot.intake.bucket_url import is_bucket
from aliquot.intake.place import folder_of, place_of
from aliquot.intake.since import since_of
from aliquot.intake.wakes import raise_wakes
from aliquot.lab.lab import Lab
from aliquot.model.errors import Invalid, Missing, Unavailable
from aliquot.model.lab_config import Source


def check_sources(lab: Lab, found: Definitions, *, keep: bool) -> None:
    """Refuse sources of which it has to be said first how far back they go, each at its place in `aliquot.yaml`.

    With `keep`, what was found out about where they begin is written down. A bucket that does not answer is no mistake
    in a file: whoever looks at it later says so.
    """
    problems: list[Problem] = []
    for name, source in lab.sources.items():
        if not is_bucket(source.watch):
            continue
        try:
            since_of(lab.catalogue, name, source, place_of(source, lab.folder), keep=keep)
        except Unavailable:
            continue
        except Invalid as error:
            problems.append(found.config.text.problem(("sources", name, "watch"), error.message))
    refuse(problems)


def missing_folders(lab: Lab) -> dict[str, str]:
    """Give the sources whose folders are not there now, with what they watch; `up` makes none."""
    found = {name: (source.watch, folder_of(source, lab.folder)) for name, source in lab.sources.items()}
    return {name: watched for name, (watched, folder) in found.items() if folder and not folder.is_dir()}


def require_source(lab: Lab, name: str, projects: Collection[str] | None = None, action: str = "source.read") -> Source:
    """Give a source of some projects (None: of all) by its name, or `Missing`.

    One of another project is `Unseen`: to who asks it is not there, and the audit keeps that they may not do `action`.
    """
    hidden = lab.sources.get(name)
    if hidden is not None and projects is not None and hidden.project not in projects:
        raise unseen(action, hidden.project)
    known = {each: source for each, source in lab.sources.items() if projects is None or source.project in projects}
    if name not in known:
        words = f"There is no source {name!r}" + sentence_end(instead(name, sorted(known)))
        raise Missing("source-missing", words, source=name)
    return known[name]


def wake_now(lab: Lab, by: By, name: str) -> None:
    """Have a source looked at now, by whichever daemon looks after it, because somebody asks for it."""
    source = require_source(lab, name)
    require_may(by, "source.wake", source.project, f"source {name}")

    def work(connection: Connection) -> None:
        raise_wakes(connection, [name])
        audit.append(connection, by, "source.wake", f"source {name}", project=source.project)

    lab.catalogue.repeat(work)
