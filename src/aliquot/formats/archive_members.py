"""The members of an archive, one after the other, as they stand in the file: nothing is trusted, nothing is kept."""

import contextlib
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, cast

from aliquot.formats.gzipped import GZIP_MAGIC, blocks
from aliquot.model.errors import Invalid

_READ = 2**20
_AHEAD = 64 * 2**10
_TAR_BLOCK = 512
_HEADERS = 2**20  # bytes that the headers of one member may take; tarfile holds them in memory
_ZIP_ENTRY = 46 + 1024  # bytes that a member may take in a ZIP's directory, on the average
# All that zipfile and the four decompressors say of broken data; bz2 says OSError.
_ZIP_FAULTS = (
    zipfile.BadZipFile, RuntimeError, EOFError, ValueError, OverflowError, OSError, struct.error, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")


class Refusal(NamedTuple):
    """Why a member is refused for what it is; `text` follows after its name."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Member:
    """A file or folder in an archive.

    `size` is what the archive says. `content` gives the bytes once, in blocks, and has to be used up before the next
    member is asked for.
    """

    name: str
    folder: bool
    size: int
    executable: bool
    content: Iterator[bytes]
    refused: Refusal | None = None


_LINK = Refusal("member-link", "is a link to another file. Pack the file itself (tar --dereference).")
_SPECIAL = Refusal("member-special", "is a device or a pipe, not a file. Leave it out of the archive.")
_ENCRYPTED = Refusal("member-encrypted", "is protected by a password. Pack it again without one.")


def kind_of(path: Path) -> str:
    """Say whether a file is `tar`, `tar.gz` or `zip`, by its content; anything else is `Invalid`."""
    with path.open("rb") as file:
        head = file.read(_TAR_BLOCK)
    if not head:
        raise Invalid("file-empty", "The file is empty. Was it still being written when it was copied? Copy it again.")
    if head.startswith(_ZIP_MAGIC):
        return "zip"
    kind = "tar"
    if head.startswith(GZIP_MAGIC):
        kind = "tar.gz"
        head = next(blocks(path), b"")[:_TAR_BLOCK]
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        if len(head) == _TAR_BLOCK and not any(head):
            return kind
        raise Invalid("archive-unknown", "The file is not a .tar, .tar.gz or .zip archive.") from None
    return kind


def members(path: Path, most: int) -> Iterator[Member]:
    """Give the members of an archive in order; damage is `Invalid`. No more than about `most` are looked for."""
    return _zip_members(path, most) if kind_of(path) == "zip" else _tar_members(path)


class _Stream:
    """The bytes of a tar for `tarfile`, with a bound on how far one request may read."""

    def __init__(self, path: Path) -> None:
        self._blocks = blocks(path)
        self._waiting = memoryview(b"")
        self.position = 0
        self.last_set = -1
        """Where the last byte lies that is not zero."""
        self._until = 0

    def allow(self, more: int) -> None:
        """Let the next requests read so many bytes."""
        self._until = self.position + more

    def read(self, size: int) -> bytes:
        """Give up to so many bytes, nothing at the end."""
        if self.position > self._until:
            text = "The archive has a header of more than 1 MiB, which no archiver writes. Pack the files again."
            raise Invalid("archive-header-too-long", text)
        if not self._waiting:
            self._waiting = memoryview(next(self._blocks, b""))
        taken = bytes(self._waiting[:size])
        self._waiting = self._waiting[size:]
        if filled := len(taken.rstrip(b"\0")):
            self.last_set = self.position + filled - 1
        self.position += len(taken)
        return taken


def _tar_members(path: Path) -> Iterator[Member]:
    stream = _Stream(path)
    stream.allow(_HEADERS)
    with _tar_faults(stream):
        # It only reads, and holds nothing that would have to be closed.
        archive = tarfile.open(  # noqa: SIM115
            fileobj=cast("IO[bytes]", stream),  # of which a stream needs read() alone
            mode="r|",
            bufsize=_AHEAD,
            encoding="utf-8",
            errors="surrogateescape",
        )
        while (info := archive.next()) is not None:
            archive.members = []  # pyright: ignore[reportAttributeAccessIssue]  # else tarfile remembers them all
            yield _tar_member(archive, info, stream)
            stream.allow(_HEADERS)
        _require_end(archive.offset, stream)


@contextlib.contextmanager
def _tar_faults(stream: _Stream) -> Generator[None]:
    try:
        yield
    except tarfile.TarError as error:
        if any(word in str(error) for word in ("end of", "empty", "truncated")):
            raise _cut_off(error) from None
        raise _tar_damaged(stream.position, error) from None
    except (ValueError, OverflowError, RecursionError, LookupError) as error:  # tarfile lets them out of odd headers
        raise _tar_damaged(stream.position, error) from None


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo, stream: _Stream) -> Member:
    refused = _LINK if info.islnk() or info.issym() else None if info.isreg() or info.isdir() else _SPECIAL
    content = iter(()) if refused is _LINK or info.isdir() else _tar_content(archive, info, stream)
    return Member(info.name, info.isdir(), info.size, bool(info.mode & 0o100), content, refused)


def _tar_content(archive: tarfile.TarFile, info: tarfile.TarInfo, stream: _Stream) -> Iterator[bytes]:
    file = archive.extractfile(info)
    while file is not None:
        stream.allow(2 * _READ)
        with _tar_faults(stream):
            block = file.read(_READ)
        if not block:
            return
        yield block


def _require_end(end: int, stream: _Stream) -> None:
    """See that the archive ends where its members do.

    tarfile takes a damaged header for the end, and the end of the file too; both would lose members silently.
    """
    while True:
        stream.allow(_READ)
        if not stream.read(_READ):
            break
    if stream.last_set >= end:
        raise _tar_damaged(end, None)
    if stream.position < end + _TAR_BLOCK:
        raise _cut_off(None)


def _tar_damaged(near: int, error: Exception | None) -> Invalid:
    text = f"The archive cannot be read from about byte {near} on: it was changed after it was packed. Copy it again."
    return Invalid("archive-damaged", text, detail=str(error or "no header where one had to be"))


def _cut_off(error: Exception | None) -> Invalid:
    return Invalid(
        "archive-truncated",
        "The archive ends too early: it was probably cut off while copying. Copy it again.",
        detail=str(error or "no end mark"),
    )


def _zip_members(path: Path, most: int) -> Iterator[Member]:
    with path.open("rb") as file:
        _require_small_directory(file, most)
        try:
            archive = zipfile.ZipFile(file)
        except _ZIP_FAULTS as error:
            raise _zip_damaged(error) from None
        with archive:
            for info in archive.infolist():
                yield _zip_member(archive, info)


def _require_small_directory(file: IO[bytes], most: int) -> None:
    """See that the directory at a ZIP's end is in proportion, for zipfile holds all of it in memory."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 2**16 - 128))
    tail = file.read()
    directory = 0
    if (at := tail.rfind(b"PK\x05\x06")) >= 0:
        directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    if (at := tail.rfind(b"PK\x06\x06")) >= 0:
        directory = int.from_bytes(tail[at + 40 : at + 48], "little")
    if min(directory, size) > _ZIP_ENTRY * (most + 1):
        text = f"The archive has more than {most} members. Split it into smaller archives."
        raise Invalid("archive-too-many-members", text)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    refused = None
    if kind == stat.S_IFLNK:
        refused = _LINK
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        refused = _SPECIAL
    elif info.flag_bits & 1:
        refused = _ENCRYPTED
    content = iter(()) if refused or info.filename.endswith("/") else _zip_content(archive, info)
    return Member(info.filename, info.filename.endswith("/"), info.file_size, bool(mode & 0o100), content, refused)


def _zip_content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(info) as file:
            while block := file.read(_READ):
                yield block
    except _ZIP_FAULTS as error:
        raise _zip_damaged(error, info.filename) from None


def _zip_damaged(error: Exception, member: str | None = None) -> Invalid:
    if isinstance(error, NotImplementedError):
        text = f"The archive is packed in a way that is not supported ({error}). Pack it again as ordinary ZIP."
        return Invalid("archive-unsupported", text)
    where = f" at {member!r}" if member else ""
    text = f"The archive is damaged{where}: it was cut off or changed while copying. Copy it again."
    return Invalid("archive-damaged", text, detail=str(error), member=member)
