"""Who has a role in one project sees, takes and fills nothing of another, and is not told whether it is there."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from aliquot.access import people
from aliquot.access.audit_read import Question, entries
from aliquot.access.projects import move_dataset, project_of_dataset
from aliquot.access.rights import Role
from aliquot.datasets.lineage import lineage
from aliquot.datasets.lineage_sight import Sight
from aliquot.db.tables import quarantine, run
from aliquot.lab import definitions
from aliquot.lab.loads import load_waiting
from aliquot.model.errors import Invalid
from aliquot.model.reference import parse_reference
from projects_lab import MACHINE, write_pipeline
from two_projects import TwoProjects, two_projects

BAD = "well,value\nA1,-5\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoProjects]:
    with two_projects(tmp_path_factory.mktemp("two") / "lab") as made:
        yield made


def project_of(world: TwoProjects, dataset: str) -> str | None:
    with world.lab.catalogue.read() as connection:
        return project_of_dataset(connection, dataset)


def send(client: httpx.Client, **said: str) -> httpx.Response:
    words = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())
    return client.post("/api/v1/uploads", headers={"upload-length": "4", "upload-metadata": words})


def upload(client: httpx.Client, **said: str) -> str:
    """Send a whole file, and give the number of its upload."""
    begun = send(client, **said)
    assert begun.status_code == 201, begun.text
    there = begun.headers["location"]
    assert client.patch(there, content=b"text", headers={"upload-offset": "0"}).status_code == 204
    return there.rpartition("/")[2]


def denials(world: TwoProjects, action: str, who: str) -> int:
    with world.lab.catalogue.read() as connection:
        return len(entries(connection, Question(who=who, action=action, outcome="denied"), limit=500))


@pytest.mark.parametrize("into", ["azure-arrivals", "azure-results"])
def test_a_name_that_a_source_or_pipeline_fills_is_its_projects_before_anything_is_there(
    world: TwoProjects, into: str
) -> None:
    with world.client("rob") as rob:
        begun = send(rob, filename="a.txt", into=into, project="red")
        assert (begun.status_code, begun.json()["code"]) == (404, "nothing-seen")
        sent = upload(rob, filename="a.txt", project="red")
        taken = rob.post("/api/v1/uploads/take", json={"into": into, "uploads": [sent], "project": "red"})
        assert taken.status_code == 404
    assert project_of(world, into) is None
    with world.client("kim") as kim:
        sent = upload(kim, filename="a.txt", into=into, project="red")
        taken = kim.post("/api/v1/uploads/take", json={"into": into, "uploads": [sent], "project": "red"})
        assert taken.status_code == 201, taken.text
    # It is the one of whom it was waited for; what nothing recognised of it is theirs as well.
    with world.lab.catalogue.read() as connection:
        held = select(quarantine.c.project).where(quarantine.c.source == f"hand:{into}")
        assert {*connection.execute(held).scalars(), project_of_dataset(connection, into)} <= {"blue", None}


def test_apply_refuses_who_would_fill_another_projects_dataset(world: TwoProjects) -> None:
    folder = world.lab.folder
    settings = (folder / "aliquot.yaml").read_text()
    written = folder / "pipelines/crimson-thief.yaml"
    try:
        write_pipeline(folder, "crimson-thief", "red", "crimson-plates", "azure-plates")
        with pytest.raises(Invalid) as refused:
            definitions.apply(world.lab)
        assert "pipelines/crimson-thief.yaml:10:" in refused.value.message
        assert "the dataset 'azure-plates' is in the project 'blue'" in refused.value.message
        written.unlink()
        (folder / "aliquot.yaml").write_text(settings.replace("into: crimson-arrivals", "into: azure-plates"))
        with pytest.raises(Invalid, match=r"aliquot\.yaml:15:.*'azure-plates' is in the project 'blue'"):
            definitions.apply(world.lab)
    finally:
        written.unlink(missing_ok=True)
        (folder / "aliquot.yaml").write_text(settings)


def test_a_run_takes_the_right_to_read_every_input_that_it_has(world: TwoProjects) -> None:
    before = denials(world, "dataset.read", "rob")
    with world.client("rob") as rob:
        bound = rob.post("/api/v1/runs", json={"pipeline": "crimson-joint"})
        assert (bound.status_code, bound.json()["code"]) == (404, "nothing-seen")
        assert rob.post("/api/v1/runs", json={"pipeline": "crimson-count"}).status_code == 201
    assert denials(world, "dataset.read", "rob") == before + 1
    with world.client("kim") as kim:
        assert kim.post("/api/v1/runs", json={"pipeline": "crimson-joint"}).status_code == 201


def test_letting_in_what_was_refused_takes_the_role_where_it_goes(world: TwoProjects) -> None:
    world.take("crimson-arrivals", "red", "good.csv")
    (released,) = world.take("crimson-arrivals", "red", "bad1.csv", BAD)
    (again,) = world.take("crimson-arrivals", "red", "bad2.csv", BAD)
    world.lab.catalogue.repeat(lambda c: move_dataset(c, MACHINE, "crimson-arrivals", "blue", ["blue", "red"]))
    files = {"files": ("bad2.csv", b"well,value\nA1,7\n")}
    with world.client("sam") as sam:
        answer = sam.post(f"/api/v1/quarantine/{released}/release", json={"because": "it is right"})
        assert (answer.status_code, answer.json()["code"]) == (404, "nothing-seen")
        answer = sam.post(f"/quarantine/{again}/resubmit", files=files, data={"because": "mended"})
        assert (answer.status_code, answer.json()["code"]) == (404, "nothing-seen")
    with world.client("kim") as kim:
        assert kim.post(f"/api/v1/quarantine/{released}/release", json={"because": "it is right"}).status_code == 200
        answer = kim.post(f"/quarantine/{again}/resubmit", files=files, data={"because": "mended"})
        assert answer.status_code == 303, answer.text
    with world.client("ada") as ada:
        assert ada.get("/api/v1/datasets/crimson-arrivals").json()["head"] == 3


def answers_of(client: httpx.Client, method: str, paths: tuple[str, str], **more: Any) -> list[dict[str, Any]]:
    found = []
    for path in paths:
        answer = client.request(method, path, **more)
        told = answer.json()
        told.pop("request")
        found.append({"http": answer.status_code, **told})
    return found


def test_what_one_may_not_see_answers_as_what_is_not_there(world: TwoProjects) -> None:
    (held,) = world.take("azure-held", "blue", "azure-bad.csv", BAD)
    v1 = "/api/v1"
    pairs = [
        (f"{v1}/datasets/azure-plates", f"{v1}/datasets/azure-plate"),
        (f"{v1}/datasets/azure-plates/versions/1", f"{v1}/datasets/nothing/versions/1"),
        ("/datasets/azure-plates/1/download/azure.csv", "/datasets/nothing/1/download/azure.csv"),
        ("/datasets/azure-plates/1/lineage/azure.csv", "/datasets/nothing/1/lineage/azure.csv"),
        (f"{v1}/runs/1", f"{v1}/runs/999"),
        (f"{v1}/runs/1/tasks/copy/1", f"{v1}/runs/999/tasks/copy/1"),
        (f"{v1}/runs/2/compare/1", f"{v1}/runs/2/compare/999"),
        ("/runs/2/compare?other=1", "/runs/2/compare?other=999"),
        (f"{v1}/pipelines/azure-joint", f"{v1}/pipelines/azure-join"),
        ("/pipelines/crimson-count/start?run=1", "/pipelines/crimson-count/start?run=999"),
        ("/pipelines/crimson-count/start?plan=true&in.plates=azure-plates",
         "/pipelines/crimson-count/start?plan=true&in.plates=nothing"),
        ("/events/stream?topics=run-1", "/events/stream?topics=run-999"),
        (f"{v1}/quarantine/{held}", f"{v1}/quarantine/999"),
        (f"{v1}/receipts/1", f"{v1}/receipts/999"),
    ]  # fmt: skip
    with world.client("rob") as rob:
        for pair in pairs:
            hidden, gone = answers_of(rob, "GET", pair)
            assert hidden == gone, pair
            assert (hidden["http"], hidden["code"], hidden["facts"]) == (404, "nothing-seen", {}), pair
            assert "blue" not in str(hidden), pair
            assert "azure" not in str(hidden), pair
        hidden, gone = answers_of(rob, "POST", (f"{v1}/runs/1/cancel", f"{v1}/runs/999/cancel"))
        assert hidden == gone
        bodies = [{"pipeline": "crimson-count", "inputs": {"plates": each}} for each in ("azure-plates@1", "nothing@1")]
        bodies += [{"pipeline": "azure-joint"}, {"pipeline": "azure-join"}]
        told = [rob.post(f"{v1}/runs", json=each).json() | {"request": ""} for each in bodies]
        assert all(each == told[0] for each in told)
        assert (told[0]["code"], told[0]["status"]) == ("nothing-seen", 404)
        project = (
            send(rob, filename="a.txt", into="anew", project="blue"),
            send(rob, filename="a.txt", into="anew", project="bleu"),
        )
        assert project[0].json() | {"request": ""} == project[1].json() | {"request": ""}
        pages = [rob.get(each, headers={"accept": "text/html"}) for each in ("/datasets/azure-plates", "/datasets/x")]
        assert [each.status_code for each in pages] == [404, 404]
        assert "azure" not in pages[0].text.replace("/datasets/azure-plates", "")


def test_a_refusal_that_is_told_as_nothing_is_in_the_audit_all_the_same(world: TwoProjects) -> None:
    before = denials(world, "pipeline.read", "rob")
    with world.client("rob") as rob:
        assert rob.get("/api/v1/pipelines/azure-joint").status_code == 404
        assert rob.get("/api/v1/pipelines/azure-join").status_code == 404
    assert denials(world, "pipeline.read", "rob") == before + 1
    with world.lab.catalogue.read() as connection:
        (newest,) = entries(connection, Question(who="rob", action="pipeline.read", outcome="denied"), limit=1)
    assert (newest.project, newest.subject) == ("blue", "GET /api/v1/pipelines/azure-joint")


def test_a_try_to_see_a_hidden_source_or_table_is_in_the_audit_and_one_for_nothing_is_not(world: TwoProjects) -> None:
    load_waiting(world.lab)
    v1 = "/api/v1"
    tries = [
        ("source.read", "GET", (f"{v1}/sources/azure-reader", f"{v1}/sources/azure-read")),
        ("source.wake", "POST", (f"{v1}/sources/azure-reader/wake", f"{v1}/sources/azure-read/wake")),
        ("table.read", "GET", (f"{v1}/hub/tables/azure_copies", f"{v1}/hub/tables/azure_copie")),
        ("table.read", "GET", (f"{v1}/hub/tables/azure_copies/rows", f"{v1}/hub/tables/azure_copie/rows")),
    ]
    with world.client("rob") as rob, world.client("ada") as ada:
        for action, method, pair in tries:
            before = denials(world, action, "rob")
            hidden, gone = answers_of(rob, method, pair)
            assert hidden == gone, pair
            assert (hidden["http"], hidden["code"]) == (404, "nothing-seen"), pair
            assert denials(world, action, "rob") == before + 1, pair
            with world.lab.catalogue.read() as connection:
                (newest,) = entries(connection, Question(who="rob", action=action, outcome="denied"), limit=1)
            assert (newest.project, newest.subject) == ("blue", f"{method} {pair[0]}")
        assert ada.get(f"{v1}/hub/tables/azure_copies").status_code == 200
        assert ada.get(f"{v1}/hub/tables/azure_copie").json()["code"] == "table-missing"


def test_a_table_that_a_run_has_loaded_is_one_click_away(world: TwoProjects) -> None:
    load_waiting(world.lab)
    with world.client("ada") as ada:
        page = ada.get("/runs/1", headers={"accept": "text/html"}).text
        assert '<a class="ref" href="/hub/tables/azure_copies">azure_copies</a>' in page
        assert ada.get("/hub/tables/azure_copies", headers={"accept": "text/html"}).status_code == 200


def test_what_is_left_out_of_a_lineage_is_not_counted_where_it_is_hidden(world: TwoProjects) -> None:
    """Of the two runs that read the file, the first is another project's."""
    file = parse_reference("crimson-plates@1:/crimson.csv")
    with world.lab.catalogue.read() as connection:
        whole = lineage(connection, file, "forward", depth=1, widest=1)
        mine = lineage(connection, file, "forward", depth=1, widest=1, sight=Sight({"red"}, set()))
        back = lineage(connection, parse_reference("azure-copies@1:/crimson.csv"), "back", sight=Sight({"red"}, set()))
    assert [each.kind for each in whole.forward] == ["task", "more"]
    assert [(each.kind, each.facts["run"]) for each in mine.forward] == [("task", 2)]
    assert back.back == ()


def test_a_lab_in_which_one_sees_nothing_looks_empty(world: TwoProjects) -> None:
    world.lab.catalogue.repeat(lambda c: people.add_person(c, MACHINE, "eve", {"green": Role.VIEWER}))
    with world.client("eve") as eve, world.client("rob") as rob:
        assert (eve.get("/home.json").json()["empty"], rob.get("/home.json").json()["empty"]) == (True, False)


def test_what_one_may_see_and_not_do_is_refused_by_name(world: TwoProjects) -> None:
    for name, words in (
        ("rob", "scientist in the project that this belongs to"),
        ("lea", "scientist in the project red"),
    ):
        with world.client(name) as client:
            refused = client.put("/api/v1/datasets/crimson-plates/tags/good", json={"version": 1})
        assert (refused.status_code, refused.json()["code"]) == (403, "access-denied")
        assert words in refused.json()["detail"]


def test_who_may_see_all_is_told_what_there_is(world: TwoProjects) -> None:
    with world.client("ada") as ada:
        gone = ada.get("/api/v1/datasets/azure-plate").json()
        assert (gone["code"], "azure-plates" in gone["detail"]) == ("dataset-missing", True)
        assert "azure-joint" in ada.get("/api/v1/pipelines/azure-join").json()["detail"]
        assert ada.get("/api/v1/runs/999").json()["code"] == "run-missing"


def test_a_file_and_its_dataset_tell_of_no_other_projects_runs(world: TwoProjects) -> None:
    paths = (
        "/datasets/crimson-plates/1/files/crimson.csv",
        "/api/v1/datasets/crimson-plates/versions/1/preview/crimson.csv",
        "/api/v1/datasets/crimson-plates", "/datasets/crimson-plates", "/datasets/crimson-plates/1/lineage/crimson.csv",
    )  # fmt: skip
    with world.client("rob") as rob, world.client("ada") as ada:
        for path in paths:
            accept = {"accept": "text/html" if path.startswith("/datasets") else "application/json"}
            mine, all_ = rob.get(path, headers=accept), ada.get(path, headers=accept)
            assert (mine.status_code, all_.status_code) == (200, 200), path
            assert "azure" in all_.text, path
            assert "azure" not in mine.text, path
            assert "run 1" not in mine.text, path
        uses = rob.get("/api/v1/datasets/crimson-plates").json()["uses"]
        assert uses["readers"] == ["crimson-count"]
        came_of = rob.get(paths[1]).json()["file"]["came_of"]
        assert [each["facts"]["run"] for each in came_of if each["kind"] == "task"][:1] == [2]


def test_a_dataset_that_came_from_another_project_tells_of_no_run_there(world: TwoProjects) -> None:
    world.lab.catalogue.repeat(lambda c: move_dataset(c, MACHINE, "azure-copies", "red", ["blue", "red"]))
    with world.client("rob") as rob, world.client("ada") as ada:
        mine, all_ = (each.get("/api/v1/datasets/azure-copies").json()["versions"][0] for each in (rob, ada))
        assert (mine["run"], mine["origin"]) == (None, "a run of another project")
        assert (all_["run"], all_["origin"]) == (1, "run 1 (azure-joint)")
        one = rob.get("/api/v1/datasets/azure-copies/versions/1").json()["version"]
        assert (one["run"], one["origin"]) == (None, "a run of another project")
        cards = {each["name"]: each for each in rob.get("/api/v1/datasets").json()["datasets"]}
        assert cards["azure-copies"]["run"] is None
        assert cards["azure-copies"]["provenance"] == {"cause": "a run of another project"}
        assert "azure-joint" not in rob.get("/datasets", headers={"accept": "text/html"}).text
        assert rob.get("/home.json").json()["results"] == []
        assert [each["run"] for each in ada.get("/home.json").json()["results"]] == [1]
        file = rob.get("/datasets/azure-copies/1/file.json?path=crimson.csv").json()["file"]
        assert file["came_from"] == []


def test_the_form_of_an_upload_says_nothing_of_another_projects_dataset(world: TwoProjects) -> None:
    with world.client("rob") as rob, world.client("kim") as kim:
        hidden, gone = (rob.get(f"/uploads.json?into={each}").json() for each in ("azure-arrivals", "nothing"))
        assert hidden | {"into": ""} == gone | {"into": ""}
        assert "crimson-arrivals" in gone["datasets"]
        assert kim.get("/uploads.json?into=azure-arrivals").json()["types"] == ["reading"]


def test_why_names_no_task_of_another_project(world: TwoProjects) -> None:
    """Run 2 took over what run 1 had done, which is another project's."""
    with world.client("rob") as rob, world.client("ada") as ada:
        path = "/api/v1/runs/2/tasks/copy/1/why"
        mine, all_ = rob.get(path).json(), ada.get(path).json()
    assert (mine["action"], all_["action"]) == ("skip", "skip")
    assert all_["nearest"] == "1/copy/1"
    assert mine["nearest"] is None
    assert "1/copy/1" not in mine["text"]


def test_a_token_of_one_project_has_nothing_to_do_with_uploads_into_another(world: TwoProjects) -> None:
    with (
        world.client("kim") as kim,
        world.token("kim", "red", "dataset.ingest", "dataset.read") as red,
        world.token("kim", "blue", "dataset.ingest") as blue,
    ):
        sent = upload(kim, filename="secret.txt", into="azure-plates")
        place = f"/api/v1/uploads/{sent}"
        assert [each.get(place).status_code for each in (kim, blue, red)] == [200, 200, 404]
        assert red.head(place).status_code == 404
        assert red.patch(place, content=b"", headers={"upload-offset": "4"}).status_code == 404
        assert red.delete(place).status_code == 404
        taken = red.post("/api/v1/uploads/take", json={"into": "crimson-plates", "uploads": [sent]})
        assert (taken.status_code, taken.json()["code"]) == (404, "upload-missing")
        assert "secret.txt" not in red.get("/uploads.json").text
        assert "secret.txt" in kim.get("/uploads.json").text
        # What is sent without a word on where it goes is of the project of its token, or of its person alone.
        own = upload(red, filename="mine.txt")
        assert [each.get(f"/api/v1/uploads/{own}").status_code for each in (kim, red, blue)] == [200, 200, 404]
        loose = upload(kim, filename="loose.txt")
        assert [each.get(f"/api/v1/uploads/{loose}").status_code for each in (kim, red, blue)] == [200, 404, 404]
        assert blue.delete(place).status_code == 204


def test_nothing_was_started_by_all_this_that_nobody_asked_for(world: TwoProjects) -> None:
    with world.lab.catalogue.read() as connection:
        of_blue = select(func.count()).select_from(run).where(run.c.project == "blue", run.c.who == "rob")
        assert connection.execute(of_blue).scalar_one() == 0
