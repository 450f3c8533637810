"""`/api/v1/verify`, `/api/v1/sweep`: reading everything again and freeing space, told as it goes."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from aliquot.datasets.damage import VerifyReport
from aliquot.lab.upkeep import sweep_lab, verify_lab
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.working import LINES, Progress, told_as_it_goes

routes = Routes("/api/v1")

_VERIFIED = (
    '{"done": 524288, "total": 1048576, "what": ""}\n'
    '{"result": {"datasets": 1, "versions": 2, "files": 3, "blobs": 3, "bytes": 1048576, "damages": []}}\n'
)
_SWEPT = (
    '{"done": 0, "total": 0, "what": ""}\n'
    '{"result": {"report": {"dry_run": true, "freed": 0, "kept": 0}, "grace": 86400, "bucket": false}}\n'
)

Dataset = Annotated[str, Query(max_length=200, description="One dataset; empty: all that the lab has.")]


@routes.raw("POST", "/verify", action="lab.verify", media=LINES, example=_VERIFIED)
def verify(visit: AVisit, dataset: Dataset = "") -> Response:
    """Read all bytes again; lines of JSON with `done` and `total` bytes, then `result` with what is damaged.

    It ends when the asker leaves.
    """

    def work(told: Progress) -> VerifyReport:
        return verify_lab(visit.lab, visit.by, dataset or None, lambda done, total: told(done, total, ""))

    return told_as_it_goes(work)


@routes.raw("POST", "/sweep", action="lab.sweep", media=LINES, makes=True, example=_SWEPT)
def sweep(visit: AVisit, *, dry_run: bool = True) -> Response:
    """Remove bytes that nothing needs, with `dry_run=false`; otherwise only say what would go.

    Lines of JSON as it goes, the last with its `result`. What has begun is done, whether the asker stays or leaves.
    Sent again with the same key, it gives the same result.
    """
    kept = visit.remembering(str(dry_run).encode())
    return told_as_it_goes(lambda _: sweep_lab(visit.lab, visit.by, dry_run=dry_run), kept=kept)
