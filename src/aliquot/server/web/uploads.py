"""Uploads from pages: a form that works without script, and what became of what was sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse, Response

from aliquot.datasets.listing import list_datasets
from aliquot.lab.accepted import types_for
from aliquot.lab.acts_upload import may_upload, take_uploads
from aliquot.lab.belonging import project_to_be
from aliquot.lab.uploads import Upload
from aliquot.model.errors import AliquotError, Conflict, Denied, NotSignedIn, Unseen
from aliquot.model.reference import DEFAULT_PROJECT, NAME
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit

routes = Routes()

_PLAIN = 4 << 30
"""Bytes of a form that is sent without script: it cannot be gone on with."""
_PIECE = 4 << 20
_NAMES = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """What a file type asks of its files: the schema of its fields, named `TYPE.FIELD`."""

    type: str
    title: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LastUpload:
    """An upload that the person began: the first `offset` of `size` bytes are here."""

    upload: str
    path: str
    size: int
    offset: int
    taken: bool
    created_at: float


@dataclass(frozen=True, slots=True)
class UploadPage:
    """The form: into which dataset, by which types its files are checked, and what these ask; sizes in bytes."""

    into: str
    known: bool
    datasets: list[str]
    projects: list[str]
    types: list[str]
    asked: list[Asked]
    values: dict[str, str]
    largest: int
    last: list[LastUpload]


@dataclass(frozen=True, slots=True)
class UploadedPage:
    """What became of what was sent."""

    upload: str
    path: str
    size: int
    offset: int
    digest: str
    outcome: dict[str, Any] | None
    project: str


@routes.page("/uploads", template="upload.html", action="dataset.ingest")
def show_form(visit: AVisit, into: str = "") -> UploadPage:
    """Show the form by which files are sent."""
    return _form(visit, into, {})


@routes.raw("POST", "/uploads", action="dataset.ingest", most=_PLAIN)
async def send(visit: AVisit) -> Response:
    """Take in what a form sends: files, or what the page's script has uploaded before."""
    form = await visit.request.form()
    return await run_in_threadpool(_send, visit, form)


@routes.page("/uploads/{upload}", template="uploaded.html", action="dataset.ingest")
def show_upload(visit: AVisit, upload: str) -> UploadedPage:
    """Show what became of an upload of one's own."""
    found = visit.lab.uploads.get(visit.by, upload)
    return UploadedPage(found.id, found.path, found.size, found.offset, found.digest, found.outcome, "")


def _send(visit: Visit, form: FormData) -> Response:
    said = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    into, project = said.get("into", "").strip(), said.get("project") or DEFAULT_PROJECT
    uploads, ids = visit.lab.uploads, [str(each) for each in form.getlist("upload") if isinstance(each, str)]
    sent: list[Upload] = []
    try:
        owner = may_upload(visit.lab, visit.by, into, project)
        # One by one: what was kept before the one that is refused is dropped.
        for each in _files(form):
            sent.append(_keep(visit, each, owner))  # noqa: PERF401  # as above
        described = _described(said)
        take_uploads(visit.lab, uploads, visit.by, [*ids, *(each.id for each in sent)], into, described, project)
    except AliquotError as error:
        if isinstance(error, Denied | NotSignedIn | Unseen):
            raise
        for each in sent:
            uploads.drop(visit.by, each.id)
        page = _form(visit, into if NAME.fullmatch(into) else "", said)
        return visit.html("upload.html", error.http_status, page=page, error=error, uploads=ids)
    first = min([*ids, *(each.id for each in sent)])
    return RedirectResponse(f"/uploads/{first}", 303)


def _files(form: FormData) -> list[UploadFile]:
    # A browser sends a nameless file where none was chosen.
    return [each for each in form.getlist("files") if isinstance(each, UploadFile) and each.filename]


def _keep(visit: Visit, file: UploadFile, project: str) -> Upload:
    uploads, by = visit.lab.uploads, visit.by
    begun = uploads.create(by, file.filename or "", file.size or 0, project)
    if begun.size:
        with uploads.writing(by, begun.id, 0) as writing:
            while piece := file.file.read(_PIECE):
                writing.add(piece)
    if not uploads.get(by, begun.id).complete:
        raise Conflict("upload-incomplete", f"{begun.path} did not come whole; send it again.", path=begun.path)
    return begun


def _described(said: Mapping[str, str]) -> dict[str | None, dict[str, str]] | None:
    found: dict[str | None, dict[str, str]] = {}
    for name, value in said.items():
        if name.startswith("describe:") and value.strip():
            type_name, _, field = name.removeprefix("describe:").partition(":")
            found.setdefault(type_name, {})[field] = value
    return found or None


def _form(visit: Visit, into: str, values: Mapping[str, str]) -> UploadPage:
    projects = visit.projects("dataset.ingest")
    with visit.read() as connection:
        there = [each.name for each in list_datasets(connection, projects=projects, limit=_NAMES)]
        owner = project_to_be(visit.lab, connection, into) if into else None
    accepted = [
        rule.into
        for source in visit.lab.config.sources.values()
        for rule in source.accept
        if projects is None or source.project in projects
    ]
    datasets = sorted({*there, *accepted})
    # By which types another project's dataset is checked is not for everybody to know.
    types = types_for(visit.lab, into) if into and (projects is None or owner in projects) else []
    asked = [
        Asked(each.type, each.title or each.type, _fields(each.type, each.describe, len(types) == 1))
        for each in types
        if each.describe
    ]
    known = sorted({DEFAULT_PROJECT, *visit.lab.config.projects} if projects is None else projects)
    return UploadPage(
        into, into in datasets, datasets, known, [each.title or each.type for each in types], asked, dict(values),
        visit.lab.config.uploads.largest, _last(visit),
    )  # fmt: skip


def _last(visit: Visit) -> list[LastUpload]:
    return [
        LastUpload(each.id, each.path, each.size, each.offset, each.outcome is not None, each.created_at)
        for each in visit.lab.uploads.last(visit.by)
    ]


def _fields(type_name: str, schema: Mapping[str, Any], alone: bool) -> dict[str, Any]:
    """Name the fields after their type; a browser insists on what is required only where no other type may come."""
    named = {
        f"describe:{type_name}:{name}": {"title": name, **each}
        for name, each in schema.get("properties", {}).items()
    }  # fmt: skip
    required = [f"describe:{type_name}:{name}" for name in schema.get("required", [])] if alone else []
    return {"properties": named, "required": required}
