"""A lab as a whole: what its files say about each other."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path as Folder
from typing import Any, cast
from urllib.parse import unquote

from aliquot.definitions.check_pipeline import check_schedule, find_circle, key_columns
from aliquot.definitions.check_type import check_set, name_glob
from aliquot.definitions.found import Found
from aliquot.definitions.problem import Path, Problem, instead
from aliquot.definitions.yaml_text import Document
from aliquot.model.errors import Invalid
from aliquot.model.file_type import FileType
from aliquot.model.lab_config import LabConfig, Source
from aliquot.model.pipeline import Pipeline
from aliquot.model.queue_url import is_queue_url
from aliquot.model.record_type import RecordType
from aliquot.secrets.reference import references_in

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=//)")
_STORES = ("s3", "az", "gs", "file")
_IN_MARKER = ("path", "folder", "name", "stem")
_DATABASES = ("sqlite", "postgresql")


def check_config(document: Document, lab: LabConfig, folder: Folder, types: Collection[str]) -> Iterator[Problem]:
    """Give mistakes in `aliquot.yaml` beside the shape of it; `types` are the names of all file types."""
    yield from _scheme(document, ("store",), lab.store, _STORES)
    yield from _database(document, ("catalogue",), lab.catalogue)
    yield from _database(document, ("hub",), lab.hub)
    if lab.hub_reader is not None:
        yield from _reader(document, lab)
    for name, source in lab.sources.items():
        path = ("sources", name)
        yield from _scheme(document, (*path, "watch"), source.watch, _STORES)
        yield from check_set(document, (*path, "settled", "set"), source.settled.set)
        yield from _marker(document, (*path, "settled", "marker"), source.settled.marker)
        yield from _queue(document, (*path, "wake"), source)
        if source.schedule is not None:
            given = document.value["sources"][name]["schedule"]
            yield from check_schedule(document, (*path, "schedule"), source.schedule, given)
        if source.settled.manifest is not None:
            written = document.value["sources"][name]["settled"]["manifest"]
            where = (*path, "settled", "manifest", *(("name",) if isinstance(written, dict) else ()))
            yield from name_glob(document, where, source.settled.manifest.name)
        for at, pattern in enumerate(source.ignore):
            yield from name_glob(document, (*path, "ignore", at), pattern)
        for at, rule in enumerate(source.accept):
            if rule.type not in types:
                words = f"there is no file type {rule.type!r}{instead(rule.type, sorted(types))}"
                yield document.problem((*path, "accept", at, "type"), words)
    yield from _overlapping(document, lab, folder)


def _reader(document: Document, lab: LabConfig) -> Iterator[Problem]:
    yield from _database(document, ("hub_reader",), lab.hub_reader or "")
    if "${" not in lab.hub and not lab.hub.startswith("postgres"):
        words = "a hub on SQLite has no roles, and queries open its file for reading alone; leave this out"
        yield document.problem(("hub_reader",), words)


def check_adopting(document: Document, lab: LabConfig, types: Mapping[str, Found[FileType]]) -> Iterator[Problem]:
    """Give rules of sources that would have to change what they leave where it lies."""
    for name, source in lab.sources.items():
        for at, rule in enumerate(source.accept):
            known = types.get(rule.type)
            if source.adopt and known is not None and known.model.unpack:
                words = (
                    f"the type {rule.type!r} unpacks archives, whose members lie nowhere by themselves, but the source "
                    "adopts files where they lie; take archives in from another source"
                )
                yield document.problem(("sources", name, "accept", at, "type"), words)


def _marker(document: Document, path: Path, text: str | None) -> Iterator[Problem]:
    if text is not None and not text.strip():
        yield document.problem(path, "is empty; write it like '{path}.done'")
    for name in re.findall(r"\{([^{}]*)\}", text or ""):
        if name not in _IN_MARKER:
            yield document.problem(path, f"a marker knows no {'{' + name + '}'!r}{instead(name, _IN_MARKER)}")


def _queue(document: Document, path: Path, source: Source) -> Iterator[Problem]:
    """Give a queue whose messages cannot concern what is watched, or that is no URL."""
    queues = {"sqs": "s3", "azure_queue": "az"}
    for name, url in source.wake.model_dump(exclude_none=True).items() if source.wake else ():
        found = _SCHEME.match(source.watch)
        if "${" not in source.watch and (found is None or found[1] != queues[name]):
            words = f"such a queue tells of {queues[name]}:// alone, but {source.watch} is watched; leave 'wake' out"
            yield document.problem((*path, name), words)
        elif "${" not in url and not is_queue_url(url):
            yield document.problem(
                (*path, name), f"{url!r} is no URL of a queue; write https://… as its cloud shows it"
            )


def _scheme(document: Document, path: Path, text: str, known: tuple[str, ...]) -> Iterator[Problem]:
    if not text.strip():
        yield document.problem(path, "is empty; give a folder or a URL")
    found = _SCHEME.match(text)
    if found and found[1] not in known:
        words = f"{found[1]}:// cannot be used here{instead(found[1], known)}"
        yield document.problem(path, words)
    scheme, colon, rest = text.partition(":")
    if colon and scheme in known and scheme != "file" and not rest.startswith("//"):
        yield document.problem(path, f"{text!r} is no URL; write {scheme}://{rest.lstrip('/')}")


def _database(document: Document, path: Path, text: str) -> Iterator[Problem]:
    if "${" in text:
        return
    kind = text.partition(":")[0].partition("+")[0]
    if kind not in _DATABASES or "://" not in text:
        yield document.problem(path, f"{text!r} names no database; write sqlite:///file.db or postgresql://…")


def _overlapping(document: Document, lab: LabConfig, folder: Folder) -> Iterator[Problem]:
    watched: dict[str, str] = {}
    for name, source in lab.sources.items():
        path, place = ("sources", name, "watch"), _place(source.watch, folder)
        if place is None:
            continue
        store = _place(lab.store, folder)
        if store is not None and _within(store, place):
            yield document.problem(path, "the lab's own store lies in the place that is watched; watch one of its own")
        for other, before in watched.items():
            if _within(place, before) or _within(before, place):
                how = "watches the same place" if place == before else "watches a place around or inside it"
                words = f"the source {other!r} {how}, so every file would be taken in twice"
                yield document.problem(path, words)
        watched[name] = place


def _place(text: str, folder: Folder) -> str | None:
    """Give a folder or bucket in one way of writing; None when it is known only where the lab runs."""
    if "${" in text:
        return None
    found = _SCHEME.match(text)
    if found and found[1] != "file":
        return unquote(text).rstrip("/")
    path = Folder(text.removeprefix("file://")).expanduser()
    return (folder / path).resolve().as_posix().rstrip("/")


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith(outer + "/")


def check_tables(
    found: Found[Pipeline], types: Mapping[str, Found[FileType]], names: Collection[str]
) -> Iterator[Problem]:
    """Give the file types that a pipeline's tables name and that do not give columns."""
    for name, table in found.model.tables.items():
        if table.type is None:
            continue
        path = ("tables", name, "type")
        known = types.get(table.type)
        if table.type not in names:
            yield found.text.problem(path, f"there is no file type {table.type!r}{instead(table.type, sorted(names))}")
        elif known is not None and known.model.table is None:
            yield found.text.problem(path, f"the file type {table.type!r} has no 'table', so it gives no columns")
        elif known is not None and known.model.table is not None:
            columns = [column.name for column in known.model.table.fields]
            yield from key_columns(found.text, ("tables", name, "key"), table.key, columns)


def check_pools(found: Found[Pipeline], lab: LabConfig) -> Iterator[Problem]:
    """Give the pools that steps name and that the lab does not have."""
    for name, step in found.model.steps.items():
        if step.pool is not None and step.pool not in lab.pools:
            words = f"aliquot.yaml has no pool {step.pool!r}{instead(step.pool, sorted(lab.pools))}"
            yield found.text.problem(("steps", name, "pool"), words)


def check_parents(records: Mapping[str, Found[RecordType]], names: Collection[str]) -> Iterator[Problem]:
    """Give record types whose parent is not there, or who are their own ancestors."""
    for found in records.values():
        parent = found.model.parent
        if parent is not None and parent not in names:
            known = sorted(name for name in names if name != found.name)
            yield found.text.problem(("parent",), f"there is no record type {parent!r}{instead(parent, known)}")
    circle = find_circle({name: [each.model.parent] if each.model.parent else [] for name, each in records.items()})
    if circle:
        words = f"record types are each other's parents in a circle: {' <- '.join(circle)}"
        yield records[circle[0]].text.problem(("parent",), words)


def check_publishing(pipelines: Mapping[str, Found[Pipeline]], sources: Mapping[str, Source]) -> Iterator[Problem]:
    """Give datasets that two writers would fill, and triggers that would start each other without end."""
    writers = {rule.into: f"the source {name!r}" for name, source in sources.items() for rule in source.accept}
    for name, found in pipelines.items():
        for output, each in found.model.outputs.items():
            if each.publish is None:
                continue
            other = writers.setdefault(each.publish, f"the pipeline {name!r}")
            if other != f"the pipeline {name!r}":
                words = f"{other} writes the dataset {each.publish!r} already; publish to another one"
                yield found.text.problem(("outputs", output, "publish"), words)
    yield from _loops(pipelines)


def _loops(pipelines: Mapping[str, Found[Pipeline]]) -> Iterator[Problem]:
    starts: dict[str, list[str]] = {}
    for name, found in pipelines.items():
        published = {each.publish for each in found.model.outputs.values()}
        starts[name] = [
            other for other, each in pipelines.items() if published.intersection(each.model.trigger.new_version)
        ]
    circle = find_circle(starts)
    if not circle:
        return
    before, name = circle[-2], circle[-1]
    found = pipelines[name]
    published = {each.publish for each in pipelines[before].model.outputs.values()}
    at, dataset = next((at, each) for at, each in enumerate(found.model.trigger.new_version) if each in published)
    way = "it publishes that itself" if len(circle) == 2 else f"the pipelines start each other: {' -> '.join(circle)}"
    words = f"a new version of {dataset!r} would start runs without end: {way}"
    yield found.text.problem(("trigger", "new_version", at), words)


def check_references(document: Document, vaults: Collection[str]) -> Iterator[Problem]:
    """Give references to secrets that are written wrongly, name no vault, or stand where none may."""
    for path, text in _texts(document.value, ()):
        try:
            references = references_in(text)
        except Invalid as error:
            yield document.problem(path, error.message.removesuffix("."))
            continue
        if references and "command" in path:
            words = f"{references[0]} cannot stand in a command; values reach it through its environment, as parameters"
            yield document.problem(path, words)
            continue
        for each in references:
            if each.vault is not None and each.vault not in vaults:
                words = f"aliquot.yaml has no vault {each.vault!r}{instead(each.vault, sorted(vaults))}"
                yield document.problem(path, words)


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, each in cast("dict[str, Any]", value).items():
            yield from _texts(each, (*path, key))
    elif isinstance(value, list):
        for at, each in enumerate(cast("list[Any]", value)):
            yield from _texts(each, (*path, at))
