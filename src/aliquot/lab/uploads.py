"""Files on their way in over the network: kept in a folder, as far as they came, until they are taken in."""

import fcntl
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3

from aliquot.access.by import By
from aliquot.datasets.commit import require_path
from aliquot.model.digest import PREFIX
from aliquot.model.errors import Conflict, Invalid, Missing, Unavailable
from aliquot.model.lab_config import UploadSettings
from aliquot.model.quantity import in_words

_PIECE = 4 << 20
_SPARE = 256 << 20
"""Bytes that stay free on the disk."""
_LOOK_EVERY = 64 << 20
"""Bytes of one upload after which it is seen to that they still are."""
_MOST = 1_000
"""Uploads of one person that may be under way."""
_HASHERS = 200
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way: of `size` bytes the first `offset` are here; `path` is what it would be called in a dataset.

    `digest` is there once all bytes are; `outcome` once it has been taken in: what became of it and of what came with
    it. `project` is the one for which it was begun, empty where nobody said which.
    """

    id: str
    who: str
    path: str
    size: int
    offset: int
    created_at: float
    project: str = ""
    digest: str = ""
    outcome: dict[str, Any] | None = None

    @property
    def complete(self) -> bool:
        """Say whether all of its bytes are here."""
        return bool(self.digest)

    def is_of(self, by: By) -> bool:
        """Say whether it is somebody's own, who may still do what it was begun for; a token no more than that."""
        if self.who != by.name:
            return False
        return by.may("dataset.ingest", self.project) if self.project else by.rights.only is None


class Uploads:
    """The uploads of a lab. One that nobody goes on with is forgotten after a while."""

    def __init__(self, folder: Path, settings: UploadSettings) -> None:
        self.folder = folder
        self._settings = settings
        self._lock = threading.Lock()
        self._hashers: dict[str, tuple[Any, int]] = {}

    def create(self, by: By, path: str, size: int, project: str = "") -> Upload:
        """Begin an upload for a project; what is too large or has a name that no dataset takes is `Invalid`.

        A full disk is `Unavailable`.
        """
        path = _path(path)
        self.require_room(size)
        self._forget_old(by.name)
        upload = Upload(secrets.token_hex(16), by.name, path, size, 0, time.time(), project)
        self._place(upload).mkdir(parents=True)
        (self._place(upload) / "data").touch()
        if size == 0:
            upload = replace(upload, digest=PREFIX + blake3().hexdigest())
        self._save(upload)
        return upload

    def require_room(self, size: int) -> None:
        """Refuse so many bytes where a file may not have them, or the disk does not."""
        if size > self._settings.largest:
            raise Invalid(
                "upload-too-large",
                f"The file has {in_words(size)}, and an upload may have {in_words(self._settings.largest)}. Put it "
                "into the folder of a source, or let an administrator change uploads.largest in aliquot.yaml.",
                size=size, largest=self._settings.largest,
            )  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free - _SPARE
        if size > free:
            raise Unavailable(
                "upload-no-room",
                f"The file has {in_words(size)}, and the lab's disk has room for {in_words(max(0, free))}; let an "
                "administrator free some.",
                size=size, free=max(0, free), seconds=600,
            )  # fmt: skip

    def get(self, by: By, id_: str) -> Upload:
        """Give an upload of a person's own; `Missing` when there is none, or no longer, or none for this token."""
        place = self.folder / id_
        try:
            if not id_.isalnum():
                raise FileNotFoundError
            said = json.loads((place / "about.json").read_bytes())
            upload = Upload(**said)
            if not upload.is_of(by):
                raise FileNotFoundError
            offset = upload.offset if upload.complete else (place / "data").stat().st_size
        except FileNotFoundError:
            sentence = "There is no such upload, or not any more; send the file again."
            raise Missing("upload-missing", sentence, upload=id_) from None
        return replace(upload, offset=offset)

    def last(self, by: By, most: int = 5) -> list[Upload]:
        """Give the uploads that a person began last, the newest first."""
        found: list[Upload] = []
        for about in self.folder.glob("*/about.json"):
            with suppress(Missing):
                found.append(self.get(by, about.parent.name))
        return sorted(found, key=lambda each: -each.created_at)[:most]

    @contextmanager
    def writing(self, by: By, id_: str, offset: int) -> Generator["Writing"]:
        """Go on with an upload where it stopped; from any other offset, or while another goes on, it is `Conflict`."""
        upload = self.get(by, id_)
        with self.held(upload):
            upload = self.get(by, id_)
            if offset != upload.offset:
                raise Conflict(
                    "upload-offset", f"The upload has {upload.offset} bytes by now; go on from there.",
                    offset=upload.offset,
                )  # fmt: skip
            with (self._place(upload) / "data").open("r+b") as file:
                writing = Writing(upload, file, self._hasher(upload, file))
                try:
                    yield writing
                finally:
                    self._end(writing)

    @contextmanager
    def held(self, upload: Upload) -> Generator[None]:
        """Keep an upload to oneself; what another request has now is `Conflict`."""
        try:
            handle = os.open(self._place(upload) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            raise Missing("upload-missing", "There is no such upload any more; send the file again.") from None
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sentence = "Another request is at this upload; ask for its offset again in a moment."
                raise Conflict("upload-busy", sentence, upload=upload.id) from None
            yield
        finally:
            os.close(handle)

    def data(self, upload: Upload) -> Path:
        """Give the file that holds its bytes."""
        return self._place(upload) / "data"

    def end(self, upload: Upload, outcome: dict[str, Any]) -> None:
        """Keep what became of an upload, and let go of its bytes."""
        self._save(replace(upload, outcome=outcome))
        self.data(upload).unlink(missing_ok=True)

    def drop(self, by: By, id_: str) -> None:
        """Forget an upload."""
        upload = self.get(by, id_)
        with self.held(upload):
            shutil.rmtree(self._place(upload), ignore_errors=True)
        self._hashers.pop(id_, None)

    def _end(self, writing: "Writing") -> None:
        writing.file.flush()
        upload, offset = writing.upload, writing.offset
        with self._lock:
            self._hashers[upload.id] = (writing.hasher, offset)
            while len(self._hashers) > _HASHERS:
                self._hashers.pop(next(iter(self._hashers)))
        if offset == upload.size and not upload.complete:
            os.fsync(writing.file.fileno())
            self._save(replace(upload, offset=offset, digest=PREFIX + writing.hasher.hexdigest()))
            self._hashers.pop(upload.id, None)

    def _hasher(self, upload: Upload, file: BinaryIO) -> Any:
        """Give what has digested the bytes that are here: kept since the last request, or made of them again."""
        with self._lock:
            hasher, offset = self._hashers.pop(upload.id, (None, 0))
        if hasher is not None and offset == upload.offset:
            file.seek(offset)
            return hasher
        hasher = blake3()
        while piece := file.read(_PIECE):
            hasher.update(piece)
        return hasher

    def _save(self, upload: Upload) -> None:
        draft = self._place(upload) / "about.draft"
        draft.write_text(json.dumps(asdict(upload), ensure_ascii=False), encoding="utf-8")
        draft.replace(self._place(upload) / "about.json")

    def _place(self, upload: Upload) -> Path:
        return self.folder / upload.id

    def _forget_old(self, who: str) -> None:
        before, mine = time.time() - self._settings.keep, 0
        for entry in os.scandir(self.folder):
            with suppress(FileNotFoundError):
                place = Path(entry.path)
                about = place / "about.json"
                newest = max(each.stat().st_mtime for each in (place, place / "data", about) if each.exists())
                if newest < before:
                    shutil.rmtree(place, ignore_errors=True)
                elif about.exists() and json.loads(about.read_bytes())["who"] == who and (place / "data").exists():
                    mine += 1
        if mine >= _MOST:
            sentence = f"{_MOST} of your uploads are under way; end some before you begin another."
            raise Conflict("uploads-too-many", sentence)


class Writing:
    """The bytes of one request, going to where the upload stopped."""

    def __init__(self, upload: Upload, file: BinaryIO, hasher: Any) -> None:
        self.upload = upload
        self.file = file
        self.hasher = hasher
        self.offset = upload.offset
        self._looked = upload.offset

    def add(self, data: bytes | bytearray) -> None:
        """Write some bytes and digest them; more than were announced are `Invalid`."""
        if self.offset + len(data) > self.upload.size:
            sentence = f"The upload was announced with {self.upload.size} bytes, and more have come; begin it again."
            raise Invalid("upload-too-long", sentence, size=self.upload.size)
        if self.offset + len(data) - self._looked > _LOOK_EVERY:
            # Other uploads have been let in meanwhile, each for the room that was there then.
            self._looked = self.offset + len(data)
            if shutil.disk_usage(self.file.name).free < _SPARE:
                sentence = "The lab's disk is full; go on with the upload when an administrator has freed some of it."
                raise Unavailable("upload-no-room", sentence, seconds=600)
        try:
            self.file.write(data)
        except OSError as error:
            sentence = f"The upload cannot be written ({error.strerror}); go on with it when that is mended."
            raise Unavailable("upload-no-room", sentence) from error
        self.hasher.update(data)
        self.offset += len(data)


def _path(path: str) -> str:
    path = "/" + path.replace("\\", "/").strip("/")
    require_path(path)
    parts = path[1:].split("/")
    if any(each.startswith(".") for each in parts):
        sentence = f"{path!r} begins with a dot, and such files are left out; give it another name."
        raise Invalid("upload-name", sentence, path=path)
    if len(path.encode()) > _LONGEST:
        sentence = f"The path has more than {_LONGEST} bytes; send the file from fewer folders."
        raise Invalid("upload-name", sentence, path=path)
    return path
