"""`/api/v1/…/reproduce`: making files again, and comparing them."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from aliquot.lab.reproduce import find_chain, reproduce
from aliquot.model.reference import Reference
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.datasets import plain
from aliquot.server.web.files import project_of_dataset
from aliquot.server.working import LINES, told_as_it_goes

routes = Routes("/api/v1")

_MADE = (
    '{"done": 1, "total": 2, "what": "12/sum/1"}\n'
    '{"result": {"reference": "sums@3:/a.csv", "files": [{"path": "/a.csv", "task": "12/sum/1", '
    '"verdict": "identical", "before": "blake3:5f1c…", "after": "blake3:5f1c…", "first_byte": null, "lines": ""}], '
    '"tasks": []}}\n'
)

Path = Annotated[str, Query(max_length=4096, description="A file or folder of it; empty: all.", examples=["/a.csv"])]


@routes.raw(
    "POST", "/datasets/{name}/versions/{version}/reproduce", action="run.start", project=project_of_dataset,
    media=LINES, example=_MADE,
)  # fmt: skip
def make_again(visit: AVisit, name: str, version: str, path: Path = "") -> Response:
    """Do the chain of tasks again that made files, apart from the lab, and compare; nothing in the lab changes.

    It takes the right to read the files, and to start and see the runs of the chain. Lines of JSON as it goes, with
    `done` and `total` tasks and the last one's name as `what`; the last with its `result`. It ends when the asker
    leaves.
    """
    wanted = plain(path)
    asked = Reference(name, version, f"/{wanted.lstrip('/')}" if wanted else None)
    chain = find_chain(visit.lab, visit.by, asked)
    return told_as_it_goes(lambda told: reproduce(visit.lab, asked, chain, told), turn="reproduce")
