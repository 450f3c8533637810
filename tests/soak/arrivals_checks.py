"""What must hold of a lab at whose door files have come: each once, nothing else, and every run for itself."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from blake3 import blake3
from sqlalchemy import Connection, func, select

from aliquot.datasets.read import entries, resolve
from aliquot.db import Catalogue
from aliquot.db.tables import dataset, entry, quarantine, receipt, run, version
from aliquot.model.reference import Reference
from aliquot.model.state import ENDED
from soak.arrivals_lab import Place


def missing_of(catalogue: Catalogue, places: Mapping[str, Place]) -> int:
    """Count the files whose last content has no receipt yet."""
    with catalogue.read() as connection:
        found = {
            (row.source, row.path, row.digest)
            for row in connection.execute(select(receipt.c.source, receipt.c.path, receipt.c.digest))
        }
    return sum((name, f"/{path}", _digest(last)) not in found
               for name, place in places.items() for path, last in _last(place).items())  # fmt: skip


def runs_wait(catalogue: Catalogue, places: Mapping[str, Place]) -> bool:
    """Say whether a run is under way, or a newest version has none yet."""
    with catalogue.read() as connection:
        if connection.execute(select(run.c.id).where(run.c.state.not_in(ENDED)).limit(1)).first():
            return True
        heads = {row.name: row.head for row in connection.execute(select(dataset))}
        seen = {tuple(bound) for row in connection.execute(select(run.c.inputs)) for bound in row.inputs.values()}
    return any((name, heads[name]) not in seen for name in places if name in heads)


def arrival_faults(catalogue: Catalogue, places: Mapping[str, Place]) -> list[str]:
    """List what is not as it has to be."""
    faults: list[str] = []
    with catalogue.read() as connection:
        for name, place in places.items():
            faults += [f"{name}: {each}" for each in _of_receipts(connection, name, place)]
            faults += [f"{name}: {each}" for each in _of_versions(connection, name, place)]
        faults += _of_runs(connection)
    return faults


def _of_receipts(connection: Connection, name: str, place: Place) -> list[str]:
    rows = connection.execute(select(receipt).where(receipt.c.source == name)).all()
    times = Counter((row.path, row.digest) for row in rows)
    faults = [f"{path} has {n} receipts for {digest[:20]}" for (path, digest), n in times.items() if n > 1]
    known = {(f"/{path}", _digest(each)) for path, contents in place.good.items() for each in contents}
    known |= {(f"/{path}", _digest(content)) for path, content in place.bad.items()}
    faults += [f"{path} has a receipt for what it never held" for path, digest in times if (path, digest) not in known]
    faults += [f"{path} has no receipt" for path, last in _last(place).items()
               if (f"/{path}", _digest(last)) not in times]  # fmt: skip
    wrong = {f"/{path}" for path in place.bad}
    faults += [f"{row.path} is {row.decision}" for row in rows
               if row.decision != ("quarantined" if row.path in wrong else "accepted")]  # fmt: skip
    held = Counter(connection.execute(select(quarantine.c.path).where(quarantine.c.source == name)).scalars())
    if held != Counter(wrong):
        faults.append(f"quarantine holds {sum(held.values())} files, and not the {len(wrong)} that are wrong")
    return faults


def _of_versions(connection: Connection, name: str, place: Place) -> list[str]:
    faults: list[str] = []
    wanted = {f"/{path}": _digest(contents[-1]) for path, contents in place.good.items()}
    found = {each.path: str(each.digest) for each in entries(connection, resolve(connection, Reference(name)))}
    if found != wanted:
        odd = [path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path)]
        faults.append(f"the newest version differs in {len(odd)} files, such as {odd[:3]}")
    id_ = connection.execute(select(dataset.c.id).where(dataset.c.name == name)).scalar_one()
    rows = connection.execute(select(entry.c.path, entry.c.digest).where(entry.c.dataset_id == id_)).all()
    faults += [f"{path} entered {n} times" for (path, _), n in Counter(map(tuple, rows)).items() if n > 1]
    accepted = select(func.count()).where(receipt.c.source == name, receipt.c.decision == "accepted")
    if connection.execute(accepted).scalar_one() != len(rows):
        faults.append("there are more or fewer entries than accepted receipts")
    added = connection.execute(select(func.sum(version.c.added)).where(version.c.dataset_id == id_)).scalar_one()
    if added != len(rows):
        faults.append(f"the versions say that they added {added} files, and there are {len(rows)}")
    sizes = entries(connection, resolve(connection, Reference(f"{name}-sizes")))
    # A name that a glob takes up has at least one character: it does not match 7.csv itself.
    measured = {f"/size of {path}" for path in place.good if path.endswith("7.csv") and path != "7.csv"}
    if {each.path for each in sizes} != measured:
        faults.append("the last run did not see exactly the files")
    return faults


def _of_runs(connection: Connection) -> list[str]:
    rows = connection.execute(select(run)).all()
    times: Counter[Any] = Counter((row.pipeline, json.dumps(row.inputs, sort_keys=True)) for row in rows)
    faults = [f"{pipeline} was started {n} times for {inputs}" for (pipeline, inputs), n in times.items() if n > 1]
    faults += [f"run {row.id} is {row.state}: {row.message}" for row in rows if row.state != "COMPLETE"]
    return faults


def _last(place: Place) -> dict[str, bytes]:
    return {path: contents[-1] for path, contents in place.good.items()} | place.bad


def _digest(content: bytes) -> str:
    return f"blake3:{blake3(content).hexdigest()}"
