"""A person's query of the hub is ended through another server than the one that runs it."""

import threading
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from aliquot.access import people, tokens
from aliquot.access.by import at_the_machine
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.lab import open_lab
from aliquot.server.serve import Server
from aliquot.server.settings import read_settings
from lab_folder import LabFolder
from postgresql import Cluster
from running_server import running_server
from services import require_service
from waiting import until

ENDLESS = "SELECT pg_sleep(120)"


def under_way(cluster: Cluster) -> int:
    import psycopg

    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'FETCH%_aliquot_query%' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert found
    return int(found[0])


def test_a_query_is_ended_through_another_server(
    postgresql_cluster: Cluster, postgresql_database: str, tmp_path: Path
) -> None:
    require_service(find_spec("psycopg") is not None, "the PyPI package psycopg")
    database = urlsplit(postgresql_database).path.strip("/")
    lab = LabFolder(tmp_path / "lab")
    where = postgresql_cluster.url(database)
    lab.write("aliquot.yaml", f'lab: twice\ncatalogue: "{where}"\nhub: "{where}"\n')
    by = at_the_machine("tester", "here")
    with open_lab(lab.folder) as opened:
        with opened.catalogue.write() as connection:
            for name in ("ada", "bob"):
                people.add_person(connection, by, name, {EVERYWHERE: Role.SCIENTIST})
            mine, other = (
                tokens.make_token(connection, by, name, "tests", ["hub.query"])[0] for name in ("ada", "bob")
            )
        with Server(opened, read_settings("127.0.0.1:0")) as first, running_server(lab, "serve") as second:
            answers: list[httpx.Response] = []

            def ask() -> None:
                sent = {"sql": ENDLESS}
                headers = {"authorization": f"Bearer {mine}"}
                answers.append(httpx.post(f"{first.address}/api/v1/hub/query", json=sent, headers=headers, timeout=100))

            def cancel(token: str) -> int:
                headers = {"authorization": f"Bearer {token}"}
                return httpx.post(f"{second.address}/api/v1/hub/cancel", headers=headers, timeout=60).status_code

            asking = threading.Thread(target=ask)
            asking.start()
            until(lambda: under_way(postgresql_cluster) > 0, 60)
            # Somebody else's word ends nothing of it; one's own does, and in the database, too.
            assert cancel(other) == 204
            assert under_way(postgresql_cluster) == 1
            assert cancel(mine) == 204
            asking.join(60)
            assert [(each.status_code, each.json()["code"]) for each in answers] == [(422, "query-canceled")]
            until(lambda: under_way(postgresql_cluster) == 0, 60)


@pytest.mark.parametrize("path", ["/api/v1/hub/cancel", "/hub/cancel"])
def test_who_may_not_ask_the_hub_ends_nothing(tmp_path: Path, path: str) -> None:
    lab = LabFolder(tmp_path / "lab")
    lab.write("aliquot.yaml", "lab: one\n")
    with open_lab(lab.folder) as opened, Server(opened, read_settings("127.0.0.1:0")) as server:
        assert httpx.post(f"{server.address}{path}", headers={"accept": "application/json"}).status_code == 401
