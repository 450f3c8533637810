"""`/api/v1/uploads`: files sent in pieces, gone on with after a cut, then taken in together.

The pieces are those of the tus protocol 1.0 (core, creation, termination), so that its clients work as they are.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated

import anyio
from fastapi import Body, Header
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from aliquot.lab.acts_upload import Checked, may_begin, take_uploads
from aliquot.lab.posted import Answer
from aliquot.lab.uploads import Upload, Writing
from aliquot.model.errors import Invalid
from aliquot.model.reference import DEFAULT_PROJECT
from aliquot.server.answers import json_answer
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit

routes = Routes("/api/v1")

_TUS = {"tus-resumable": "1.0.0", "cache-control": "no-store"}
_PIECE = 4 << 20
_MOST = 1 << 40
"""Bytes of one request; what a file may have is told when the upload begins."""


class UploadState(BaseModel):
    """An upload: the first `offset` of `size` bytes are here; `digest` is there once all are."""

    upload: str = Field(examples=["5f1c0a4be0d94b6f8f0d7d7f0a6b1c2d"])
    path: str = Field(examples=["/plate-1.csv"])
    size: int
    offset: int
    digest: str
    taken: bool


class TakeWish(BaseModel):
    """Which uploads shall be taken in together, and where."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "into": "plates", "uploads": ["5f1c0a4be0d94b6f8f0d7d7f0a6b1c2d"],
                    "described": {"plate": {"instrument": "reader 2"}},
                }
            ]
        },
    )  # fmt: skip

    into: str = Field(description="The dataset, new or not.")
    uploads: list[str] = Field(min_length=1, max_length=1_000)
    described: dict[str, dict[str, str]] = Field(
        {}, description="By file type, the values that it asks for under `describe`; by an empty name for all types."
    )
    project: str = Field(DEFAULT_PROJECT, description="The project of a dataset that is new.")
    type: str | None = Field(
        None, description="The file type by which they are checked, in place of those that sources accept into the "
        "dataset; takes the right to release from quarantine.",
    )  # fmt: skip
    unchecked: bool = Field(False, description="Take them as they are; takes the same right.")


class Held(BaseModel):
    """A file that went to quarantine, with the first of its findings."""

    id: int
    path: str
    counts: dict[str, int]
    findings: list[dict[str, object]]


class MadeVersion(BaseModel):
    """A version that was made; or that has the same content already, and is not `new`."""

    dataset: str = Field(examples=["plates"])
    version: int = Field(examples=[4])
    added: int
    removed: int
    new: bool


class Outcome(BaseModel):
    """What became of uploads: new versions of the dataset, files that changed nothing, files in quarantine."""

    into: str
    files: list[dict[str, object]]
    versions: list[int]
    made: list[MadeVersion] = []
    added: int
    unchanged: int
    quarantined: list[Held]
    unreadable: list[dict[str, object]]


@routes.api("POST", "/uploads", action="dataset.ingest", status=201, makes=True)
def begin_upload(
    visit: AVisit,
    upload_length: Annotated[int, Header(ge=0, lt=2**63, description="Bytes of the file.")],
    upload_metadata: Annotated[
        str,
        Header(
            max_length=16_384,
            description="`filename BASE64`; `into BASE64` with the dataset and `project BASE64`, where they are known.",
        ),
    ],
) -> UploadState:
    """Begin an upload; its address is in Location. Send its bytes by PATCH there, in one piece or in several."""
    said = _metadata(upload_metadata)
    if "filename" not in said:
        raise Invalid("upload-name", "Upload-Metadata has no filename; send `filename BASE64`.")
    project = may_begin(visit.lab, visit.by, said.get("into", ""), said.get("project", ""))

    def work(_connection: Connection) -> Answer:
        begun = visit.lab.uploads.create(visit.by, said["filename"], upload_length, project)
        return Answer(201, _state(begun).model_dump())

    answer = visit.once(f"{upload_length} {upload_metadata}".encode(), work)
    response = json_answer(visit.request, answer.document, answer.status)
    response.headers.update(_TUS | {"location": f"/api/v1/uploads/{answer.document['upload']}"})
    return response  # type: ignore[return-value]


@routes.raw("OPTIONS", "/uploads", action="dataset.ingest", status=204, media="")
def say_extensions(visit: AVisit) -> Response:
    """Say what of the tus protocol is spoken."""
    largest = str(visit.lab.config.uploads.largest)
    more = {"tus-version": "1.0.0", "tus-extension": "creation,termination", "tus-max-size": largest}
    return Response(status_code=204, headers=_TUS | more)


@routes.raw("HEAD", "/uploads/{upload}", action="dataset.ingest", media="")
def tell_offset(visit: AVisit, upload: str) -> Response:
    """Say how many bytes are here."""
    found = visit.lab.uploads.get(visit.by, upload)
    return Response(status_code=200, headers=_TUS | _offsets(found))


@routes.api("GET", "/uploads/{upload}", action="dataset.ingest")
def show_upload(visit: AVisit, upload: str) -> UploadState:
    """Show an upload of one's own."""
    return _state(visit.lab.uploads.get(visit.by, upload))


@routes.raw("PATCH", "/uploads/{upload}", action="dataset.ingest", most=_MOST, status=204, media="")
async def go_on(visit: AVisit, upload: str) -> Response:
    """Take the bytes that follow at Upload-Offset; what has come before a cut is kept."""
    said = visit.request.headers.get("upload-offset", "")
    if not said.isdecimal() or len(said) > 18:
        raise Invalid("upload-offset-missing", "Say with Upload-Offset at which byte the piece begins.")
    with_stack = ExitStack()
    opening = visit.lab.uploads.writing(visit.by, upload, int(said))
    writing = await run_in_threadpool(with_stack.enter_context, opening)
    try:
        await _write(writing, visit.request.stream())
    finally:
        # What was written is counted even where the server is told to stop meanwhile.
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(with_stack.close)
    found = await run_in_threadpool(visit.lab.uploads.get, visit.by, upload)
    return Response(status_code=204, headers=_TUS | _offsets(found))


@routes.api("DELETE", "/uploads/{upload}", action="dataset.ingest", status=204, media="")
def drop_upload(visit: AVisit, upload: str) -> Response:
    """Forget an upload and its bytes; what was taken in stays."""
    visit.lab.uploads.drop(visit.by, upload)
    return Response(status_code=204, headers=_TUS)


@routes.api("POST", "/uploads/take", action="dataset.ingest", status=201)
def take(visit: AVisit, wish: Annotated[TakeWish, Body()]) -> Outcome:
    """Take complete uploads into a dataset together; the same request again gives the same answer."""
    described = {name or None: values for name, values in wish.described.items()}
    found = take_uploads(
        visit.lab, visit.lab.uploads, visit.by, wish.uploads, wish.into, described or None, wish.project,
        checked=Checked(wish.type, wish.unchecked),
    )  # fmt: skip
    return Outcome.model_validate(found)


async def _write(writing: Writing, stream: AsyncIterator[bytes]) -> None:
    # While one part is written and digested, the next one comes in: two parts are in memory, and never more.
    held, under_way = bytearray(), None
    try:
        async for piece in stream:
            held += piece
            if len(held) >= _PIECE:
                if under_way is not None:
                    await under_way
                ready, held = held, bytearray()
                under_way = asyncio.ensure_future(run_in_threadpool(writing.add, ready))
    except ClientDisconnect:
        # The line was cut: what came is kept, and the sender goes on from there.
        pass
    finally:
        # Whatever ends the request, the file is not let go of while a part is being written.
        if under_way is not None:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([under_way])
    if under_way is not None:
        under_way.result()
    if held:
        await run_in_threadpool(writing.add, held)


def _state(upload: Upload) -> UploadState:
    return UploadState(
        upload=upload.id, path=upload.path, size=upload.size, offset=upload.offset, digest=upload.digest,
        taken=upload.outcome is not None,
    )  # fmt: skip


def _offsets(upload: Upload) -> dict[str, str]:
    return {"upload-offset": str(upload.offset), "upload-length": str(upload.size)}


def _metadata(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in text.split(","):
        name, _, value = each.strip().partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            sentence = f"Upload-Metadata has no base64 of UTF-8 at {name!r}; send `filename BASE64`."
            raise Invalid("upload-name", sentence) from error
    return found
