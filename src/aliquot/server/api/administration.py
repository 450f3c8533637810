"""`/api/v1/administration`: how the lab stands and what takes room; `/api/v1/home`: the lab at a glance."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from aliquot.datasets.usage import DatasetUse, RunUse, dataset_uses, run_uses
from aliquot.lab.home import Glance
from aliquot.lab.storage import Room, room
from aliquot.server.reach import Reached, reach_database, reach_store
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit
from aliquot.server.web.administration import Overview, overview
from aliquot.server.web.datasets import PAGE
from aliquot.server.web.files import project_of_dataset
from aliquot.server.web.home import home

routes = Routes("/api/v1")

MOST_RUNS = 10_000


class Health(BaseModel):
    """Whether database and store can be reached, and in how many seconds."""

    database: Reached
    store: Reached


RunLimit = Annotated[int, Query(ge=1, le=MOST_RUNS)]


class RunUses(BaseModel):
    """What runs made and no dataset holds, the largest first; `total` counts all such runs."""

    runs: list[RunUse]
    total: int = Field(examples=[12])


@routes.api("GET", "/home", action="home.read")
def show_home(visit: AVisit) -> Glance:
    """Show what arrives, runs, is stuck and waits for a person, of what one may see."""
    return home(visit)


@routes.api("GET", "/administration", action="lab.read")
def show_overview(visit: AVisit) -> Overview:
    """Show health, executor, and storage by dataset."""
    return overview(visit)


@routes.api("GET", "/administration/health", action="lab.read")
def show_health(visit: AVisit) -> Health:
    """Say whether database and store can be reached, and how quickly."""
    return Health(database=reach_database(visit.lab), store=reach_store(visit.lab))


@routes.api("GET", "/administration/runs", action="lab.read")
def list_run_uses(visit: AVisit, limit: RunLimit = PAGE) -> RunUses:
    """List the runs that hold most bytes which no dataset has."""
    with visit.read() as connection:
        whole = run_uses(connection, None)
    return RunUses(runs=whole[:limit], total=len(whole))


@routes.api("GET", "/administration/storage", action="lab.read")
def show_storage(visit: AVisit) -> Room:
    """Say what takes how many bytes now, and what a sweep would free; it takes seconds where there are many files."""
    return room(visit.lab)


@routes.api("GET", "/datasets/{name}/usage", action="dataset.read", project=project_of_dataset)
def show_usage(visit: AVisit, name: str) -> DatasetUse:
    """Say what a dataset takes with all its versions, each content once."""
    with visit.read() as connection:
        return dataset_uses(connection, name)[0]
