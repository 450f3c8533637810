"""Previews of stored files: looked for among what is kept, made where they are not, and open to be asked for more."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aliquot.blobs import Store
from aliquot.datasets import places
from aliquot.datasets.previews import find_parts, keep_parts, touch
from aliquot.db import Catalogue
from aliquot.formats.preview import KINDS, Made, kind_of_preview, make_preview
from aliquot.formats.preview_apart import FAILED, make_apart
from aliquot.formats.preview_text import HEAD
from aliquot.lab.local_files import LocalFiles
from aliquot.model.blob import Blob, Location
from aliquot.model.digest import EMPTY
from aliquot.model.errors import Damaged, Invalid, Missing, Unavailable

if TYPE_CHECKING:
    from aliquot.formats.preview_imzml import ImagingPair
    from aliquot.formats.preview_mzml import MassSpectrometryRun
    from aliquot.formats.table_page import TableView

T = TypeVar("T")

WAIT = 0.7
"""Seconds that a page waits for a preview that is being made, before it says so."""

_OPEN = 12
_NAMED = 20_000
_SMALL = 16 * 2**20
_HEADS = ("text", "bytes")
_QUICK = (*_HEADS, "imzml-places")
_PATIENCE = 60.0
_FINDING = 4
_AT_ONCE = 2
_SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Shown:
    """A file to be shown: its name, content, and that of the file which belongs to it, as an .ibd to its .imzML."""

    name: str
    blob: Blob
    beside: Blob | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a file: the kind of its preview, and the summary, or None as long as it is being made."""

    kind: str
    summary: dict[str, Any] | None

    @property
    def making(self) -> bool:
        """Say whether it is worth to ask again in a moment."""
        return self.summary is None


@dataclass(slots=True)
class _Open:
    summary: dict[str, Any]
    parts: dict[str, Path]
    files: list[Path]
    views: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class _Key:
    source: Blob
    beside: Blob | None
    kind: str
    note: str = ""

    @property
    def beside_digest(self) -> str:
        return self.beside.digest if self.beside else ""


class Previews:
    """The previews of a lab's files; one for a process, asked by any number of threads."""

    def __init__(self, catalogue: Catalogue, store: Store, folder: Path) -> None:
        self._catalogue, self._store = catalogue, store
        self._local = LocalFiles(store, folder)
        self._lock = threading.Lock()
        self._open: OrderedDict[_Key, _Open] = OrderedDict()
        self._making: dict[_Key, Future[_Open]] = {}
        self._kinds: dict[tuple[str, Blob], str] = {}
        self._finders = ThreadPoolExecutor(_FINDING, "preview-find")
        self._makers = ThreadPoolExecutor(_AT_ONCE, "preview-make")

    def look(self, shown: Shown, *, wait: float = WAIT) -> Look:
        """Give the summary of a file's preview; one that takes longer than `wait` seconds goes on being made."""
        try:
            key = self._key(shown)
        except (Damaged, Unavailable) as error:
            return Look("bytes", {"kind": "bytes", "findings": [_finding(error.code, error.message)]})
        if key.kind == "imzml" and key.beside is None:
            text = "The .ibd file that belongs to this .imzML is not beside it: without it, there is nothing to show."
            return Look("imzml", {"kind": "imzml", "findings": [_finding("ibd-missing", text)]})
        if shown.blob.digest == EMPTY:
            return Look("empty", {"kind": "empty"})
        try:
            found = self._get(key, wait)
        except (Damaged, Unavailable) as error:
            return Look(key.kind, {"kind": key.kind, "findings": [_finding(error.code, error.message)]})
        if found is None:
            return Look(key.kind, None)
        note = {"note": key.note} if key.note else {}
        return Look(key.kind, found.summary | note)

    def table(self, shown: Shown, ask: "Callable[[TableView], T]") -> T:
        """Ask a table, such as for a page; `Unavailable` as long as it is being made."""
        from aliquot.formats.table_page import TableView

        return self._ask(self._key(shown), "table", lambda opened: TableView(opened.summary, opened.parts), ask)

    def run(self, shown: Shown, ask: "Callable[[MassSpectrometryRun], T]") -> T:
        """Ask a mass spectrometry run, such as for a scan."""
        from aliquot.formats.preview_mzml import MassSpectrometryRun

        return self._ask(
            self._key(shown),
            "mzml",
            lambda opened: MassSpectrometryRun(opened.summary, opened.parts, opened.files[0]),
            ask,
        )

    def image(self, shown: Shown, ask: "Callable[[ImagingPair], T]", *, whole: bool = False) -> T:
        """Ask an imaging pair, such as for an ion image.

        As long as its index is being made, the pair itself is asked, unless the `whole` preview is wanted: the mean
        spectrum and the total ion current are known only then.
        """
        from aliquot.formats.preview_imzml import ImagingPair

        def view(opened: _Open) -> ImagingPair:
            return ImagingPair(opened.summary, opened.parts, opened.files[1])

        key = self._key(shown)
        if key.beside is None:
            raise Missing("ibd-missing", "The .ibd file that belongs to this .imzML is not beside it.")
        if key.kind == "imzml" and not whole and self._get(key, 0.0) is None:
            return self._ask(_Key(key.source, key.beside, "imzml-places"), "imzml-places", view, ask)
        return self._ask(key, "imzml", view, ask)

    def picture(self, shown: Shown) -> bytes:
        """Give a picture as PNG."""
        return self._ask(self._key(shown), "picture", lambda opened: opened.parts["picture"], Path.read_bytes)

    def close(self) -> None:
        """Begin no more; what is being made in a process of its own is left to end."""
        for each in (self._finders, self._makers):
            each.shutdown(wait=False, cancel_futures=True)

    def _key(self, shown: Shown) -> _Key:
        """Decide how a file is shown: files too large for their kind are shown by their beginning."""
        named = (shown.name, shown.blob)
        kind = self._kinds.get(named)
        if kind is None:
            kind = kind_of_preview(shown.name, self._store.read_range(self._location(shown.blob), 0, HEAD))
            if len(self._kinds) > _NAMED:
                self._kinds.clear()
            self._kinds[named] = kind
        beside = shown.beside if kind == "imzml" else None
        largest = KINDS[kind].largest
        if largest is not None and shown.blob.size + (beside.size if beside else 0) > largest:
            note = f"The file is too large to be shown as {_WORDS[kind]}: this is its beginning."
            return _Key(shown.blob, None, "bytes" if kind == "picture" else "text", note)
        return _Key(shown.blob, beside, kind)

    def _location(self, blob: Blob) -> Location:
        with self._catalogue.read() as connection:
            return places.require(connection, [blob.digest])[blob.digest]

    def _ask(self, key: _Key, kind: str, view: Callable[[_Open], Any], ask: Callable[[Any], T]) -> T:
        if key.kind != kind:
            raise Invalid("preview-kind", f"The file is not shown as {_WORDS[kind]}, so this cannot be asked of it.")
        for attempt in range(2):
            opened = self._get(key, WAIT if kind != "imzml-places" else _PATIENCE)
            if opened is None:
                raise Unavailable("preview-making", "The preview is being made; ask again in a moment.")
            if "findings" in opened.summary:
                first = opened.summary["findings"][0]
                raise Invalid(first["code"], first["text"])
            try:
                if kind not in opened.views:
                    opened.views[kind] = view(opened)
                return ask(opened.views[kind])
            except FileNotFoundError:
                # Swept, or put out of the cache, since it was opened.
                if attempt:
                    raise
                with self._lock:
                    self._open.pop(key, None)
        raise AssertionError

    def _get(self, key: _Key, wait: float | None) -> _Open | None:
        with self._lock:
            if key in self._open:
                self._open.move_to_end(key)
                return self._open[key]
            making = self._making.get(key)
            if making is None:
                making = self._making[key] = Future()
                making.add_done_callback(lambda _: self._making.pop(key, None))
                self._finders.submit(self._find_or_make, key, making)
        try:
            return making.result(wait)
        except NotYet:
            return None

    def _find_or_make(self, key: _Key, done: "Future[_Open]") -> None:
        try:
            found = self._find(key)
            if found is None and not self._is_small(key):
                # What takes minutes must not keep those waiting whose previews are there.
                self._makers.submit(self._make_for, key, done)
                return
            if found is not None:
                self._finish(key, found, done)
                return
        except Exception as error:  # noqa: BLE001  # it is raised again by whoever waits
            done.set_exception(error)
            return
        self._make_for(key, done)

    def _make_for(self, key: _Key, done: "Future[_Open]") -> None:
        try:
            self._finish(key, self._make(key), done)
        except Exception as error:  # noqa: BLE001  # it is raised again by whoever waits
            done.set_exception(error)

    def _finish(self, key: _Key, opened: _Open, done: "Future[_Open]") -> None:
        with self._lock:
            self._open[key] = opened
            while len(self._open) > _OPEN:
                self._open.popitem(last=False)
        done.set_result(opened)

    def _find(self, key: _Key) -> _Open | None:
        code = KINDS[key.kind].code
        with self._catalogue.read() as connection:
            parts, stale = find_parts(connection, key.source.digest, key.beside_digest, key.kind, code)
        if _SUMMARY not in parts:
            return None
        summary = json.loads(self._store.read(parts[_SUMMARY]))
        if stale:
            self._catalogue.repeat(lambda each: touch(each, key.source.digest, key.beside_digest, key.kind))
        local = {part: self._local.path(location) for part, location in parts.items() if part != _SUMMARY}
        return _Open(summary, local, self._files(key))

    def _files(self, key: _Key) -> list[Path]:
        """Give the files that views read from beside what is kept of them."""
        if key.kind not in ("imzml", "imzml-places", "mzml"):
            return []
        blobs = [key.source, *([key.beside] if key.beside else [])]
        return [self._local.path(self._location(blob)) for blob in blobs]

    def _make(self, key: _Key) -> _Open:
        with self._local.draft() as draft:
            folder = draft / "made"
            folder.mkdir()
            if key.kind in _HEADS:
                # Of a file of terabytes, in a bucket, no more than that is fetched.
                head = draft / "head"
                head.write_bytes(self._store.read_range(self._location(key.source), 0, HEAD + 1))
                files = [head]
            else:
                blobs = [key.source, *([key.beside] if key.beside else [])]
                files = [self._local.path(self._location(blob)) for blob in blobs]
            made = (make_preview if self._is_small(key) else make_apart)(key.kind, files, folder)
            if any(each["code"] == FAILED for each in made.summary.get("findings", ())):
                return _Open(made.summary, {}, [])
            self._keep(key, made)
        found = self._find(key)
        if found is None:
            raise Unavailable("preview-gone", "The preview was swept in the moment in which it was made; ask again.")
        return found

    def _is_small(self, key: _Key) -> bool:
        """Say whether a preview is made in a moment, and so in this process."""
        size = key.source.size + (key.beside.size if key.beside else 0)
        return key.kind in _QUICK or size <= _SMALL

    def _keep(self, key: _Key, made: Made) -> None:
        # Empty parts have nothing to map, and nothing to be stored for.
        parts = {name: self._store.put_file(path) for name, path in made.parts.items() if path.stat().st_size}
        parts[_SUMMARY] = self._store.put_bytes(json.dumps(made.summary, allow_nan=False).encode())
        code = KINDS[key.kind].code
        self._catalogue.repeat(
            lambda each: keep_parts(each, key.source.digest, key.beside_digest, key.kind, code, parts)
        )


def _finding(code: str, text: str) -> dict[str, Any]:
    return {"code": code, "text": text, "severity": "error"}


_WORDS = {
    "table": "a table",
    "imzml": "an image of mass spectra",
    "imzml-places": "an image of mass spectra",
    "mzml": "a mass spectrometry run",
    "fastq": "reads",
    "picture": "a picture",
    "json": "a tree",
    "text": "text",
    "bytes": "bytes",
}
