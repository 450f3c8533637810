"""A lab's folder, read whole: all files, all mistakes, one answer."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from aliquot.definitions.bundle import gather
from aliquot.definitions.check_access import check_access, check_projects
from aliquot.definitions.check_ensure import check_types
from aliquot.definitions.check_lab import (
    check_adopting,
    check_config,
    check_parents,
    check_pools,
    check_publishing,
    check_references,
    check_tables,
)
from aliquot.definitions.check_pipeline import check_pipeline
from aliquot.definitions.check_python import check_functions
from aliquot.definitions.check_type import check_record, check_table, check_type
from aliquot.definitions.found import Bundled, Definitions, Found
from aliquot.definitions.outside import from_outside
from aliquot.definitions.problem import Problem, refuse
from aliquot.definitions.validate import validate
from aliquot.definitions.yaml_text import Document, read_yaml
from aliquot.model.definition import Definition
from aliquot.model.errors import Missing, Unavailable
from aliquot.model.file_type import FileType
from aliquot.model.lab_config import LabConfig
from aliquot.model.pipeline import Pipeline
from aliquot.model.record_type import RecordType

M = TypeVar("M", bound=Definition)

LAB_FILE = "aliquot.yaml"
FOLDERS: Mapping[str, str] = {"type": "types", "pipeline": "pipelines", "record": "records"}
"""The kinds of definitions, and the folder in which each kind's files are."""


@dataclass(slots=True)
class _Reading:
    """What has been read so far: of definitions below `folder`, beside the settings of the lab in `home`.

    `presumed` are names of definitions that are there, however broken.
    """

    folder: Path
    home: Path
    problems: list[Problem] = field(default_factory=list[Problem])
    presumed: dict[str, set[str]] = field(default_factory=dict[str, set[str]])


def read_lab(
    folder: Path, environment: Mapping[str, str] | None = None, definitions: Path | None = None
) -> Definitions:  # fmt: skip
    """Read `aliquot.yaml`, types, pipelines and records of a lab; the last three from another folder, if one is named.

    All mistakes of all files are raised together as `Invalid` (definition-invalid). `environment`, by default the
    process's own, gives `${env:NAME}` for settings of `aliquot.yaml` that are numbers or one of a few words.
    """
    reading = _Reading(definitions or folder, folder)
    config = _config(reading, os.environ if environment is None else environment)
    found = _definitions(reading, config)
    assert config is not None
    return Definitions(folder, config, *found)


def read_definitions(folder: Path) -> list[Found[Any]]:
    """Read types, pipelines and records without the settings of a lab, as far as they can be checked so.

    All mistakes of all files are raised together, as `read_lab` does.
    """
    return [each for several in _definitions(_Reading(folder, folder), None) for each in several.values()]


def _definitions(
    reading: _Reading, config: Found[LabConfig] | None
) -> tuple[dict[str, Found[FileType]], dict[str, Found[Pipeline]], dict[str, Found[RecordType]]]:
    types = _several(reading, "type", FileType)
    pipelines = _several(reading, "pipeline", Pipeline)
    records = _several(reading, "record", RecordType)
    _check_together(reading, config, types, pipelines, records)
    refuse(reading.problems)
    return types, pipelines, records


def read_config(folder: Path, environment: Mapping[str, str] | None = None) -> LabConfig:
    """Read `aliquot.yaml` alone, so that a broken type or pipeline stops no other command."""
    reading = _Reading(folder, folder)
    found = _config(reading, os.environ if environment is None else environment)
    refuse(reading.problems)
    assert found is not None
    return found.model


def read_pipeline_file(path: Path, folder: Path) -> Found[Pipeline]:
    """Read one pipeline's file, wherever it lies, with bundled files of the lab in `folder`.

    What it says about other definitions is not checked: it need not be part of the lab yet.
    """
    reading = _Reading(folder, folder)
    found = _one(reading, path, "pipeline", Pipeline)
    refuse(reading.problems)
    assert found is not None
    return found


def _config(reading: _Reading, environment: Mapping[str, str]) -> Found[LabConfig] | None:
    path = reading.home / LAB_FILE
    if not path.is_file():
        raise Missing(
            "lab-missing",
            f"There is no {LAB_FILE} in {reading.home}; change to a lab's folder, or make one with: aliquot init DIR",
            folder=str(reading.home),
        )
    document = _document(reading, path, reading.home)
    if document is None:
        return None
    known, unset = from_outside(document, LabConfig, environment)
    model, problems = validate(known, LabConfig)
    told = {each.field for each in unset}
    reading.problems += [*unset, *(each for each in problems if each.field not in told)]
    return None if model is None else Found("lab", model.lab, model, LAB_FILE, document)


def _several(reading: _Reading, kind: str, model: type[M]) -> dict[str, Found[M]]:
    folder = reading.folder / FOLDERS[kind]
    presumed = reading.presumed.setdefault(kind, set())
    paths = sorted(each for each in folder.glob("*") if each.suffix in (".yaml", ".yml") and each.is_file())
    by_name: dict[str, Found[M]] = {}
    for path in paths:
        found = _one(reading, path, kind, model)
        if found is None:
            continue
        first = by_name.setdefault(found.name, found)
        presumed.add(found.name)
        if first is not found:
            words = f"{found.name!r} is defined in {first.source} already; each name is given once"
            reading.problems.append(found.text.problem((kind,), words))
    return by_name


def _one(reading: _Reading, path: Path, kind: str, model: type[M]) -> Found[M] | None:
    document = _document(reading, path)
    presumed = reading.presumed.setdefault(kind, set())
    if document is None or not isinstance(document.value, dict):
        presumed.add(path.stem)
    if document is None:
        return None
    value: Any = cast("Any", document.value)
    name: Any = value.get(kind) if isinstance(value, dict) else None
    presumed.add(name if isinstance(name, str) else path.stem)
    valid, problems = validate(document, model)
    bundle: dict[str, Bundled] = {}
    if valid is not None:
        more, bundle = _check_one(reading.folder, document, valid)
        problems += more
    reading.problems += problems
    if valid is None:
        return None
    return Found(kind, str(name), valid, document.file, document, bundle)


def _check_one(folder: Path, document: Document, model: Definition) -> tuple[list[Problem], dict[str, Bundled]]:
    match model:
        case FileType():
            return check_type(document, model), {}
        case RecordType():
            return check_record(document, model), {}
        case Pipeline():
            bundle, problems = gather(document, model, folder)
            problems += check_pipeline(document, model)
            problems += check_functions(document, model, bundle, folder)
            for name, table in model.tables.items():
                if table.schema_ is not None:
                    problems += check_table(document, ("tables", name, "schema"), table.schema_)
            return problems, bundle
        case _:
            return [], {}


def _document(reading: _Reading, path: Path, below: Path | None = None) -> Document | None:
    folder = below or reading.folder
    name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise Missing("definition-missing", f"There is no file {path}.", path=str(path)) from None
    except OSError as error:
        words = f"The file {path} cannot be read ({error.strerror}); check its permissions."
        raise Unavailable("definition-unreadable", words, path=str(path)) from error
    document, problems = read_yaml(data, name)
    reading.problems += problems
    return document


def _check_together(
    reading: _Reading,
    config: Found[LabConfig] | None,
    types: Mapping[str, Found[FileType]],
    pipelines: Mapping[str, Found[Pipeline]],
    records: Mapping[str, Found[RecordType]],
) -> None:
    problems, presumed = reading.problems, reading.presumed
    if config is not None:
        problems += check_config(config.text, config.model, reading.home, presumed["type"])
        problems += check_adopting(config.text, config.model, types)
        problems += check_access(config.text, config.model)
        for several in (types, pipelines, records):
            problems += check_projects(config, several)
        for found in (config, *types.values(), *pipelines.values(), *records.values()):
            problems += check_references(found.text, config.model.vaults)
    for found in pipelines.values():
        problems += check_tables(found, types, presumed["type"])
        problems += check_types(found, types, presumed["type"])
        if config is not None:
            problems += check_pools(found, config.model)
    problems += check_parents(records, presumed["record"])
    problems += check_publishing(pipelines, {} if config is None else config.model.sources)
