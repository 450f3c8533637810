"""Refused files to be taken elsewhere, with what is wrong with them: as folders, or as a zip.

Each has a folder of its number: its files as they came, `findings.csv` for people, `quarantine.json` for programs.
"""

import csv
import io
import json
import os
import shutil
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from aliquot.blobs import Store
from aliquot.formats.zip_stream import Member, zip_stream
from aliquot.intake import quarantine, thread
from aliquot.intake.held_names import place_below
from aliquot.intake.quarantine import Held
from aliquot.lab.lab import Lab
from aliquot.model.blob import Location
from aliquot.model.digest import PREFIX, Digest
from aliquot.model.errors import Conflict, Damaged, Invalid

MOST = 200
"""So many can be taken out together."""
_COLUMNS = ("file", "row", "column", "value", "severity", "code", "text")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Gathered(NamedTuple):
    """What is taken out of one: itself, what was done about it, and where its bytes lie."""

    held: Held
    document: Mapping[str, Any]
    locations: Mapping[Digest, Location]


def gather(lab: Lab, numbers: Sequence[int]) -> list[Gathered]:
    """Find what shall be taken out; `Missing` where one is not there, `Invalid` for none and for too many."""
    wanted = sorted(set(numbers))
    if not 0 < len(wanted) <= MOST:
        raise Invalid("export-refused", f"Choose what to take out: from 1 to {MOST} numbers of the quarantine.")
    found: list[Gathered] = []
    with lab.catalogue.read() as connection:
        for number in wanted:
            held = quarantine.show(connection, number)
            done = [asdict(each) for each in thread.thread(connection, held)]
            findings = [each.document() for each in held.findings]
            document = {**asdict(held), "findings": findings, "thread": done}
            found.append(Gathered(held, document, quarantine.held_places(connection, held)))
    return found


def zipped(store: Store, gathered: Sequence[Gathered]) -> Iterator[bytes]:
    """Give a zip of it in pieces; bytes that are not what they were end it before its end."""
    yield from zip_stream(_members(store, gathered), max(each.held.arrived_at for each in gathered))


def write_zip(lab: Lab, numbers: Sequence[int], to: Path) -> Path:
    """Write a zip to a new file; whatever goes wrong, nothing is left that is not whole."""
    gathered = gather(lab, numbers)
    with drafted_file(to) as draft, draft.open("xb") as out:
        out.writelines(zipped(lab.store, gathered))
    return to


def write_folders(lab: Lab, numbers: Sequence[int], to: Path) -> list[Path]:
    """Write a folder for each below a folder that is there or is made; all of them, or none."""
    gathered = gather(lab, numbers)
    targets = [to / str(each.held.id) for each in gathered]
    with drafted_folders(to, targets) as draft:
        for name, _, content in _members(lab.store, gathered):
            target = draft / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                out.writelines(content)
    return targets


@contextmanager
def drafted_file(to: Path) -> Generator[Path]:
    """Give a path to write to, which takes its name at the end, or goes."""
    require_new(to)
    draft = to.with_name(f".{uuid.uuid4().hex}")
    try:
        yield draft
        draft.rename(to)
    except OSError as error:
        raise refused_target(to, error) from error
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def drafted_folders(to: Path, targets: Sequence[Path]) -> Generator[Path]:
    """Give a folder below `to` in which folders are made under the names of the targets, whose places they take."""
    for target in targets:
        require_new(target)
    draft = to / f".{uuid.uuid4().hex}"
    try:
        yield draft
        for target in targets:
            (draft / target.name).rename(target)
    except OSError as error:
        raise refused_target(to, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _members(store: Store, gathered: Sequence[Gathered]) -> Iterator[Member]:
    for each in gathered:
        folder = str(each.held.id)
        for name, text in (("findings.csv", _findings(each.held)), ("quarantine.json", _json(each.document))):
            yield f"{folder}/{name}", len(text), [text]
        for file in each.held.files:
            location = each.locations[file.digest]
            name = f"{folder}/files/{place_below(file.path)}"
            yield name, file.size, _sound(store, location, each.held, file.path, file.digest)


def _sound(store: Store, location: Location, held: Held, path: str, digest: Digest) -> Iterator[bytes]:
    """Give the bytes of a file, and raise `Damaged` at their end when they are not what they were."""
    seen = blake3()
    for piece in store.stream(location):
        seen.update(piece)
        yield piece
    if PREFIX + seen.hexdigest() != digest:
        words = f"quarantine {held.id}: {path} is damaged: its bytes have changed. `aliquot admin verify` says more."
        raise Damaged("held-damaged", words, id=held.id, path=path)


def _findings(held: Held) -> bytes:
    out = io.StringIO(newline="")
    rows = csv.writer(out)
    rows.writerow(_COLUMNS)
    for each in held.findings:
        cells = (each.file or held.path, each.row, each.field, each.value, each.severity, each.code, each.text)
        rows.writerow([_cell(cell) for cell in cells])
    # With the mark by which spreadsheets know UTF-8.
    return b"\xef\xbb\xbf" + out.getvalue().encode(errors="backslashreplace")


def _cell(value: object) -> object:
    """Keep a spreadsheet from taking what stands in somebody's file for a formula."""
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode(errors="backslashreplace") + b"\n"


def require_new(target: Path) -> None:
    """Refuse to write where something is."""
    if os.path.lexists(target):
        raise Conflict(
            "target-exists", f"{target} is there already; remove it or name another place.", path=str(target)
        )


def refused_target(to: Path, error: OSError) -> Invalid:
    """Say that a place cannot be written."""
    return Invalid("target-refused", f"{to} cannot be written ({error.strerror}); name another place.", path=str(to))
