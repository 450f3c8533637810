"""A pipeline in the lab's folder that is not what is applied: a run would use what is applied, without a word."""

from aliquot.definitions.read import FOLDERS, read_pipeline_file
from aliquot.engine.pipelines import Applied
from aliquot.lab.lab import Lab
from aliquot.model.errors import AliquotError


def difference_from_applied(lab: Lab, applied: Applied) -> str:
    """Say that a pipeline's file differs from what is applied, and what to do; empty where it does not."""
    name = applied.pipeline.pipeline
    folder = lab.folder / FOLDERS["pipeline"]
    for path in (folder / f"{name}.yaml", folder / f"{name}.yml"):
        if not path.is_file():
            continue
        shown = path.relative_to(lab.folder).as_posix()
        try:
            found = read_pipeline_file(path, lab.folder)
        except AliquotError:
            return f"{shown} has mistakes, and what is applied is used; `aliquot apply` tells them."
        if found.name == name and found.digest != applied.digest:
            return f"{shown} differs from what is applied; `aliquot apply` registers it."
    return ""
