"""By which file types what goes into a dataset is checked."""

from aliquot.lab.definitions import file_types
from aliquot.lab.lab import Lab
from aliquot.model.errors import Missing
from aliquot.model.file_type import FileType


def types_for(lab: Lab, dataset: str, named: str | None = None) -> list[FileType]:
    """Give the types that the lab's sources accept into a dataset, or the one that is named; `Missing` without it."""
    with lab.catalogue.read() as connection:
        known = file_types(connection)
    if named is not None:
        if named not in known:
            there_are = "there are: " + ", ".join(known) if known else "none is applied yet; run `aliquot apply`"
            raise Missing("type-missing", f"There is no file type {named!r}; {there_are}.", type=named)
        return [known[named]]
    rules = [rule.type for source in lab.config.sources.values() for rule in source.accept if rule.into == dataset]
    return [known[name] for name in dict.fromkeys(rules) if name in known]
