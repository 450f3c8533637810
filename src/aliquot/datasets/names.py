"""The store's own list of versions: one small object for each, from which a lost catalogue is rebuilt."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from aliquot.blobs import Store
from aliquot.blobs.layout import VERSIONS, version_key
from aliquot.model.digest import Digest, canonical
from aliquot.model.errors import Conflict, Damaged, Missing


@dataclass(frozen=True, slots=True)
class VersionName:
    """What the store says of a version; `created_at` in seconds since 1970."""

    dataset: str
    number: int
    digest: Digest
    delta: Digest
    created_at: float


def is_named(store: Store, dataset: str, number: int) -> bool:
    """Say whether the store names a version."""
    try:
        store.objects.size_of(version_key(dataset, number))
    except Missing:
        return False
    return True


def write_name(store: Store, name: VersionName) -> None:
    """Write the object that names one version; one that says something else stays, and is `Conflict`."""
    with suppress(Missing, Damaged):
        there = read_name(store, name.dataset, name.number)
        if there.digest != name.digest:
            raise behind_store(name.dataset, name.number)
    document = {
        "dataset": name.dataset,
        "number": name.number,
        "digest": name.digest,
        "delta": name.delta,
        "created_at": name.created_at,
    }
    store.objects.replace_object(version_key(name.dataset, name.number), canonical(document))


def read_name(store: Store, dataset: str, number: int) -> VersionName:
    """Read the object that names one version: `Missing` when it is not there, `Damaged` when it is not one."""
    key = version_key(dataset, number)
    data = store.objects.read_object(key)
    try:
        value = json.loads(data)
        name = VersionName(
            value["dataset"], value["number"], value["digest"], value["delta"], float(value["created_at"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged("name-damaged", f"{key} cannot be read; restore it from a copy.", key=key) from error
    if (name.dataset, name.number) != (dataset, number):
        raise Damaged("name-damaged", f"{key} names {name.dataset}@{name.number}; restore it from a copy.", key=key)
    return name


def behind_store(dataset: str, number: int) -> Conflict:
    """Give the error for a catalogue that does not know what its store names."""
    return Conflict(
        "catalogue-behind-store",
        f"The store names a version {dataset}@{number} that this catalogue does not know: it is older than the store, "
        "or another lab's. Give it back with `aliquot admin rebuild`, or name this lab a store of its own.",
        dataset=dataset,
        version=number,
    )


def named(store: Store, dataset: str | None = None) -> Iterator[tuple[str, int]]:
    """List the versions that the store names: dataset and number, sorted."""
    for key, _ in store.objects.list_keys(f"{VERSIONS}{dataset}" if dataset else VERSIONS):
        parts = key.removeprefix(VERSIONS).split("/")
        if len(parts) == 2 and parts[1].endswith(".json") and parts[1][:-5].isdecimal():
            yield parts[0], int(parts[1][:-5])
