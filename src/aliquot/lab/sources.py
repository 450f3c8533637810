"""What `apply` has to ask about sources that were set up over buckets."""

from aliquot.definitions.found import Definitions
from aliquot.definitions.problem import Problem, refuse
from aliquot.intake.bucket_url import is_bucket
from aliquot.intake.place import place_of
from aliquot.intake.since import since_of
from aliquot.lab.lab import Lab
from aliquot.model.errors import Invalid, Unavailable


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
