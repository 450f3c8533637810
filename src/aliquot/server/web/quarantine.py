"""Quarantine as a place to work: what waits, what is wrong with it in its own rows, and deciding about it."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Form, Query
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse, Response, StreamingResponse

from aliquot.access import projects
from aliquot.access.approvals import Approval
from aliquot.access.rights import DEFAULT_PROJECT
from aliquot.datasets.commit import Committed
from aliquot.intake import quarantine, thread
from aliquot.intake.describe import Given
from aliquot.intake.quarantine import Held
from aliquot.intake.thread import Event
from aliquot.lab import acts_data, approving, deciding, door, held, held_export
from aliquot.lab.held import Excerpt
from aliquot.lab.preview_of import Preview, preview_of
from aliquot.lab.previews import Shown
from aliquot.model.errors import Invalid
from aliquot.server.cursor import read_cursor, write_cursor
from aliquot.server.paths import whole_number
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit
from aliquot.server.web.preview_query import PreviewQuery
from aliquot.server.web.preview_views import add_views

routes = Routes()

PAGE = 50
_MOST = 2**30
"""Bytes of corrected files that a form takes; larger ones go through a source or the command line."""
Limit = Annotated[int, Query(ge=1, le=200)]
Which = Literal["WAITING", "RELEASED", "REJECTED", "REPLACED", "all"]
Order = Literal["newest", "oldest"]
_LONGEST = 2000
Because = Annotated[str, Form(max_length=_LONGEST)]


@dataclass(frozen=True, slots=True)
class HeldList:
    """What is in quarantine. `waiting` counts all that wait, `longest` is since when; `next` is the next cursor."""

    held: list[Held]
    state: str
    source: str
    text: str
    order: str
    sources: list[str]
    waiting: int
    longest: float | None
    cursor: str
    next: str | None


@dataclass(frozen=True, slots=True)
class HeldPage:
    """One thing in quarantine: its findings in the rows of its file, a preview, and what this person may do about it.

    `two` says that a release takes a second person; `asked` is what waits for one.
    """

    held: Held
    path: str
    excerpt: Excerpt | None
    preview: Preview
    here: str
    views: str
    rest: str
    download: str
    may_release: bool
    may_reject: bool
    may_sign: bool
    two: bool
    asked: Approval | None
    targets: list[str]
    thread: list[Event]
    replaced_by: int | None
    may_resubmit: bool
    may_assign: bool


def project_of_held(connection: Connection, path: Mapping[str, str]) -> str:
    """Find the project of what a path names."""
    number = whole_number(path["number"])
    quarantine.show(connection, number)
    return projects.project_of_held(connection, number) or DEFAULT_PROJECT


def page_of_held(
    visit: Visit, which: Which, source: str, text: str, order: Order, cursor: str, limit: int, assigned_to: str = ""
) -> tuple[list[Held], str | None]:
    """Give a page of what a person may see in quarantine, and the cursor of the next."""
    with visit.read() as connection:
        found = quarantine.list_held(
            connection, None if which == "all" else which, source or None, read_cursor(cursor), limit + 1, text=text,
            projects=visit.projects("quarantine.read"), oldest_first=order == "oldest", assigned_to=assigned_to or None,
        )  # fmt: skip
    return found[:limit], write_cursor(found[limit - 1].id) if len(found) > limit else None


@routes.page("/quarantine", template="quarantine.html", action="quarantine.read")
def list_held(
    visit: AVisit, state: Which = "WAITING", source: str = "", text: str = "", order: Order = "newest",
    cursor: str = "", limit: Limit = PAGE,
) -> HeldList:  # fmt: skip
    """List what was refused and waits for a person."""
    found, following = page_of_held(visit, state, source, text, order, cursor, limit)
    mine = visit.projects("quarantine.read")
    with visit.read() as connection:
        waiting = quarantine.count_held(connection, projects=mine)
        first = quarantine.list_held(connection, limit=1, projects=mine, oldest_first=True)
    known = sorted(
        name for name, each in visit.lab.sources.items() if mine is None or each.project in mine
    )  # fmt: skip
    longest = first[0].arrived_at if first else None
    return HeldList(found, state, source, text, order, known, waiting, longest, cursor, following)


@routes.raw("GET", "/quarantine/zip", action="quarantine.read")
def send_zip(visit: AVisit, number: Annotated[list[int] | None, Query()] = None) -> Response:
    """Give refused files as a zip, each in a folder of its number, with its findings."""
    numbers = number or []
    with visit.read() as connection:
        for each in numbers[: held_export.MOST]:
            project = project_of_held(connection, {"number": str(each)})
            visit.require("quarantine.read", project, f"quarantine {each}")
    gathered = held_export.gather(visit.lab, numbers)
    name = f"quarantine-{gathered[0].held.id}.zip" if len(gathered) == 1 else "quarantine.zip"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(held_export.zipped(visit.lab.store, gathered), 200, headers, "application/zip")


@routes.page("/quarantine/{number}", template="held.html", action="quarantine.read", project=project_of_held)
def show_held(visit: AVisit, number: int, query: Annotated[PreviewQuery, Query()], file: str = "") -> HeldPage:
    """Show what is wrong with it, in the rows of the file, and what can be done."""
    with visit.read() as connection:
        found = quarantine.show(connection, number)
        project = project_of_held(connection, {"number": str(number)})
        asked = held.asked_for(connection, number)
        told, after = thread.thread(connection, found), thread.replaced_by(connection, number)
        waits = found.state == "WAITING"
        names = held.targets(visit.lab, connection, visit.projects("dataset.ingest")) if waits else []
    one = held.held_file(found, file)
    preview = preview_of(visit.lab.previews, held.shown_held(found, one), query.asked())
    summary = preview.summary
    excerpt = None
    if preview.kind == "table" and summary is not None and "findings" not in summary:
        excerpt = held.excerpt(visit.lab.previews, found, one, summary)
    rest = quote("/" + one.path.lstrip("/"))
    return HeldPage(
        held=found, path=one.path, excerpt=excerpt, preview=preview, here=f"/quarantine/{number}",
        views=f"/quarantine/{number}/view/", rest=rest, download=f"/quarantine/{number}/download{rest}",
        may_release=waits and visit.may("quarantine.release", project),
        may_reject=waits and visit.may("quarantine.reject", project),
        may_sign=asked is not None and asked.asked_by != visit.by.name and visit.may("approval.give", project),
        two=approving.takes_two(visit.lab, approving.RELEASE), asked=asked, targets=names,
        thread=told, replaced_by=after, may_resubmit=waits and visit.may("quarantine.resubmit", project),
        may_assign=waits and visit.may("quarantine.assign", project),
    )  # fmt: skip


@routes.form("/quarantine/{number}/release", action="quarantine.release", project=project_of_held)
def release(
    visit: AVisit, number: int, because: Because = "", into: Annotated[str, Form()] = "",
    over_newer: Annotated[bool, Form()] = False,
) -> str:  # fmt: skip
    """Let it in after all; where a second person is asked for, ask for one."""
    decide_release(visit, number, because, into, over_newer=over_newer)
    return f"/quarantine/{number}"


def decide_release(
    visit: Visit, number: int, because: str, into: str, *, over_newer: bool, given: Given | None = None
) -> Committed | Approval:
    """Release, or ask for a second person's approval where the lab wants one."""
    if not because.strip():
        raise Invalid("because-absent", "Say why: the reason is kept with the decision.")
    if into:
        with visit.read() as connection:
            held.require_target(visit.lab, connection, into)
    if approving.takes_two(visit.lab, approving.RELEASE):
        if given:
            sentence = "A release takes a second person here; give the file again with `resubmit` and --record."
            raise Invalid("record-approval", sentence, id=number)
        return approving.ask_release(visit.lab, visit.by, number, because, into or None, over_newer=over_newer)
    return door.release(visit.lab, visit.by, number, because, into or None, over_newer=over_newer, given=given)


@routes.form("/quarantine/{number}/reject", action="quarantine.reject", project=project_of_held)
def reject(visit: AVisit, number: int, because: Because = "") -> str:
    """Keep it out for good."""
    acts_data.reject(visit.lab.catalogue, visit.by, number, because)
    return f"/quarantine/{number}"


@routes.form("/quarantine/{number}/assign", action="quarantine.assign", project=project_of_held)
def assign(visit: AVisit, number: int, to: Annotated[str, Form(max_length=100)] = "") -> str:
    """Say who shall decide; nothing: nobody in particular."""
    door.assign(visit.lab, visit.by, number, to.strip() or None)
    return f"/quarantine/{number}"


@routes.raw("POST", "/quarantine/{number}/resubmit", action="quarantine.resubmit", project=project_of_held, most=_MOST)
async def resubmit(visit: AVisit, number: int) -> Response:
    """Judge corrected files in the place of these."""
    # Read here and not by a parameter: that would be before anybody has asked who sends it.
    form = await visit.request.form()
    return RedirectResponse(await run_in_threadpool(_resubmit, visit, number, form), 303)


def _resubmit(visit: Visit, number: int, form: FormData) -> str:
    because = form.get("because", "")
    files = [each for each in form.getlist("files") if isinstance(each, UploadFile) and each.filename]
    if not isinstance(because, str) or len(because) > _LONGEST or not files:
        raise Invalid("request-refused", "Choose the corrected files, and say in a sentence what was done to them.")
    with tempfile.TemporaryDirectory(prefix="resubmit-", dir=visit.lab.work) as place:
        paths: list[Path] = []
        for at, each in enumerate(files):
            target = Path(place) / str(at) / safe_name(each.filename or "")
            target.parent.mkdir()
            with target.open("wb") as out:
                shutil.copyfileobj(each.file, out)
            paths.append(target)
        door.resubmit(visit.lab, visit.by, number, paths, because)
    with visit.read() as connection:
        after = thread.replaced_by(connection, number)
    return f"/quarantine/{after or number}"


def safe_name(text: str) -> str:
    """Give the last part of the name under which a browser sends a file."""
    name = text.replace("\\", "/").rpartition("/")[2]
    if name in {"", ".", ".."} or not name.isprintable():
        raise Invalid("file-name-refused", "A file needs a name; choose one, and send it again.", name=name)
    return name


@routes.form("/quarantine/{number}/sign", action="approval.give", project=project_of_held)
def sign(
    visit: AVisit, number: int, password: Annotated[str, Form()] = "", reason: Because = "",
    decision: Annotated[Literal["approve", "refuse"], Form()] = "refuse",
) -> str:  # fmt: skip
    """Sign as the second person, with the password."""
    with visit.read() as connection:
        asked = held.asked_for(connection, number)
    if asked is None:
        raise Invalid("approval-absent", "Nobody asks for a second person here any more; load the page again.")
    approve = decision == "approve"
    deciding.decide(visit.lab, asked.id, visit.by.name, password, reason, approve=approve, by=visit.by)
    return f"/quarantine/{number}"


@routes.raw("GET", "/quarantine/{number}/download/{path:path}", action="quarantine.read", project=project_of_held)
def download(visit: AVisit, number: int, path: str) -> Response:
    """Give the bytes of a held file, to be saved and never shown by the browser."""
    with visit.read() as connection:
        file, pieces = held.content(visit.lab, connection, number, path)
    name = quote(file.path.rpartition("/")[2])
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}", "content-length": str(file.size)}
    return StreamingResponse(pieces, headers=headers, media_type="application/octet-stream")


def _shown(visit: Visit) -> Shown:
    named = visit.request.path_params
    with visit.read() as connection:
        found = quarantine.show(connection, whole_number(named["number"]))
    return held.shown_held(found, held.held_file(found, named["path"]))


add_views(
    routes, "/quarantine/{number}", "/{path:path}", action="quarantine.read", project=project_of_held, shown=_shown
)
