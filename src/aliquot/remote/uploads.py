"""Sending files into a lab on a server: in pieces that go on after a cut, then taken in together."""

import base64
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aliquot.datasets.commit import Committed
from aliquot.intake.by_hand import find_files
from aliquot.intake.decided import Refusal, Taken
from aliquot.intake.quarantine import Held
from aliquot.intake.scan import File
from aliquot.model.errors import Conflict, Denied, Invalid, Missing, Unavailable
from aliquot.model.finding import Finding, finding_from
from aliquot.remote.client import Client, path_of

MOST = 1_000
"""Files that are taken in together, at most."""
_PIECE = 8 << 20
_PAUSES = (0.2, 1.0, 3.0, 10.0, 30.0)
_TUS = {"tus-resumable": "1.0.0"}


@dataclass(frozen=True, slots=True)
class UploadState:
    """How far an upload has come."""

    upload: str
    path: str
    size: int
    offset: int
    digest: str
    taken: bool


@dataclass(frozen=True, slots=True)
class HeldBriefly:
    """What went to quarantine, with the first of its findings."""

    id: int
    path: str
    counts: dict[str, int]
    findings: list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Made:
    """A version that was made, or that has the same content already."""

    dataset: str
    version: int
    added: int
    removed: int
    new: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of uploads."""

    into: str
    made: list[Made]
    added: int
    unchanged: int
    quarantined: list[HeldBriefly]
    unreadable: list[dict[str, object]]


def ingest(
    client: Client, dataset: str, paths: Sequence[Path], *, type_: str | None = None, unchecked: bool = False,
    described: Mapping[str | None, Mapping[str, str]] | None = None,
) -> tuple[Taken, tuple[Finding, ...]]:  # fmt: skip
    """Send files, or folders with what is below them, and take them in; gives what became of them, as by hand."""
    files, passed_over = find_files(paths)
    if len(files) > MOST:
        sentence = (
            f"These are {len(files):,} files, and up to {MOST:,} go over the network together; send them in parts, or "
            "put them into the folder of a source."
        )
        raise Invalid("upload-many", sentence, files=len(files))
    sent = send(client, files, dataset)
    wish = {
        "into": dataset, "uploads": sent, "type": type_, "unchecked": unchecked,
        "described": {name or "": dict(values) for name, values in (described or {}).items()},
    }  # fmt: skip
    found = client.post(Outcome, "/uploads/take", wish) if sent else Outcome(dataset, [], 0, 0, [], [])
    return taken_from(client, found), passed_over


def resubmit(
    client: Client, number: int, paths: Sequence[Path], because: str,
    described: Mapping[str | None, Mapping[str, str]] | None,
) -> Taken:  # fmt: skip
    """Send corrected files and have them judged in the place of what was refused."""
    files, _ = find_files(paths)
    wish = {
        "because": because, "uploads": send(client, files),
        "described": {name or "": dict(values) for name, values in (described or {}).items()},
    }  # fmt: skip
    return taken_from(client, client.post(Outcome, path_of("quarantine", number, "resubmit"), wish))


def send(client: Client, files: Sequence[File], dataset: str | None = None) -> list[str]:
    """Send files' bytes, and give the uploads that they are."""
    return [_send(client, each, dataset) for each in files]


def _send(client: Client, file: File, dataset: str | None) -> str:
    if file.fault:
        raise Invalid("upload-name", f"{file.path}: {file.fault}", path=file.path)
    said = {"filename": file.path.removeprefix("/"), **({"into": dataset} if dataset else {})}
    metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())
    headers = {"upload-length": str(file.size), "upload-metadata": metadata, "idempotency-key": uuid.uuid4().hex}
    begun = client.read(UploadState, client.send("POST", "/uploads", headers=_TUS | headers))
    try:
        with Path(file.absolute).open("rb") as data:
            offset, failures = 0, 0
            while offset < file.size:
                data.seek(offset)
                piece = data.read(_PIECE)
                if not piece:
                    sentence = f"{file.path} changed while it was read; take it in again when it is complete."
                    raise Conflict("file-changed", sentence, path=file.path)
                offset, failures = _piece(client, begun.upload, offset, piece, failures)
    except OSError as error:
        sentence = f"{file.absolute} cannot be read ({error.strerror}); nothing was taken in."
        raise Missing("file-missing", sentence, path=file.absolute) from error
    return begun.upload


def _piece(client: Client, upload: str, offset: int, piece: bytes, failures: int) -> tuple[int, int]:
    """Send one piece; gives where the next begins, and how often it has failed in a row by now."""
    path = path_of("uploads", upload)
    headers = {**_TUS, "upload-offset": str(offset), "content-type": "application/offset+octet-stream"}
    try:
        # Not sent again as it is: some of it may have come, and the offset is another one then.
        client.once("PATCH", path, content=piece, headers=headers)
    except (Unavailable, Conflict) as error:
        if failures >= len(_PAUSES) or error.code == "upload-no-room":
            raise
        time.sleep(_PAUSES[failures])
        return client.get(UploadState, path).offset, failures + 1
    return offset + len(piece), 0


def taken_from(client: Client, found: Outcome) -> Taken:
    """Give what became of uploads as the model that files given by hand give."""
    return Taken(
        versions=[Committed(each.dataset, each.version, each.added, each.removed, each.new) for each in found.made],
        added=found.added,
        unchanged=found.unchanged,
        quarantined=[_refusal(client, each) for each in found.quarantined],
        unreadable=[finding_from(each) for each in found.unreadable],
    )


def _refusal(client: Client, held: HeldBriefly) -> Refusal:
    """Give a refusal with all of its findings, where whoever sent the file may see them."""
    try:
        findings = client.get(Held, path_of("quarantine", held.id)).findings
    except Denied:
        findings = tuple(finding_from(each) for each in held.findings)
    return Refusal(held.id, held.path, findings, held.counts)
