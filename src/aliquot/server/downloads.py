"""Downloads: a file, or a part of it that was asked for; and files of a version as a zip."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from starlette.responses import Response, StreamingResponse

from aliquot.lab.downloads import download, pieces, zip_of
from aliquot.model.digest import hex_of
from aliquot.model.reference import Reference
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.datasets import plain
from aliquot.server.web.files import project_of_dataset

routes = Routes()
Paths = Annotated[list[str] | None, Query()]
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@routes.raw("GET", "/datasets/{name}/{version}/download/{path:path}", action="dataset.read", project=project_of_dataset)
def send_file(visit: AVisit, name: str, version: str, path: str) -> Response:
    """Send a file, or the range of it that is asked for; never as something that a browser would show."""
    found = download(visit.lab, Reference(name, version, "/" + plain(path)))
    size, tag = found.location.size, f'"{hex_of(found.entry.digest)[:32]}"'
    headers = {
        "accept-ranges": "bytes", "etag": tag, "cache-control": "private, no-cache",
        "content-disposition": _attachment(found.entry.path.rsplit("/", 1)[1]),
    }  # fmt: skip
    asked = visit.request.headers
    if tag in [each.strip().removeprefix("W/") for each in asked.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    part = _part(asked.get("range", ""), size) if asked.get("if-range", tag) == tag else None
    start, length, status = 0, size, 200
    if part is not None:
        start, length = part
        status = 206
        if length <= 0:
            return Response(status_code=416, headers={**headers, "content-range": f"bytes */{size}"})
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{size}"
    headers["content-length"] = str(length)
    content = _opened(pieces(visit.lab.store, found.location, start, length))
    return StreamingResponse(content, status, headers, "application/octet-stream")


@routes.raw("GET", "/datasets/{name}/{version}/zip", action="dataset.read", project=project_of_dataset)
def send_zip(visit: AVisit, name: str, version: str, path: Paths = None) -> Response:
    """Send a version as a zip, or of it the files and folders that are named by `path`."""
    number, content = zip_of(visit.lab, name, version, [plain(each) for each in path or []])
    headers = {"content-disposition": _attachment(f"{name}-{number}.zip")}
    return StreamingResponse(_opened(_begun(content)), 200, headers, "application/zip")


def _opened(content: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first piece before an answer is begun: what cannot be read is told, and not cut off."""
    first = next(content, b"")
    return chain([first], content)


def _begun(content: Iterator[bytes]) -> Iterator[bytes]:
    # Small members would otherwise be three messages each.
    held: list[bytes] = []
    size = 0
    for piece in content:
        held.append(piece)
        size += len(piece)
        if size >= 1 << 18:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _attachment(name: str) -> str:
    plain_name = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"attachment; filename=\"{plain_name}\"; filename*=UTF-8''{quote(name, safe='')}"


def _part(asked: str, size: int) -> tuple[int, int] | None:
    """Read a range: its first byte and its length, 0 for one that the file does not have; None: all is wanted."""
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        return size - length, length
    start, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < start:
        return None
    return start, min(last, size - 1) - start + 1
