"""The pages of quarantine, administration, hub and lineage, over a real server."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import httpx
import pytest

from lab_folder import LabFolder
from running_server import PASSWORD, RunningServer, form_word, running_server
from waiting import until

SETTINGS = """
lab: riverside
executor: {kind: process, workers: 1}
sources:
  readings:
    watch: ./inbox
    settled: {quiet: 0s}
    accept: [{type: reading, into: readings}]
"""
TYPE = """
type: reading
recognise: {name: "*.csv"}
format: table
table:
  fields:
    - {name: well, type: string}
    - {name: value, type: number, constraints: {minimum: 0}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    lab = LabFolder(tmp_path_factory.mktemp("desk") / "lab")
    lab.write("aliquot.yaml", SETTINGS)
    lab.write("types/reading.yaml", TYPE)
    for number in range(3):
        lab.write(f"inbox/<b>plate{number}.csv", f"well,value\nA1,{number}\nA2,-5\nA3,7\n")
    lab.write("inbox/<b>whole.csv", "well,value\nA1,1\n")
    lab.run("apply")
    lab.up(expect=None)
    with running_server(lab) as started:
        yield started


@pytest.fixture(scope="module")
def admin(server: RunningServer) -> Iterator[httpx.Client]:
    client = server.administrator()
    yield client
    client.close()


@pytest.fixture(scope="module")
def viewer(server: RunningServer, admin: httpx.Client) -> Iterator[httpx.Client]:
    link = json.loads(server.lab.run("user", "add", "vera", "--role", "viewer", "--json").stdout)["link"]
    client = server.client()
    sent = {"password": PASSWORD, "again": PASSWORD, "csrf": form_word(client.get(link).text)}
    assert client.post(link, data=sent).status_code == 303
    yield client
    client.close()


def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data={"csrf": form_word(client.get("/").text), **fields})


def test_findings_stand_in_the_rows_of_the_file(admin: httpx.Client) -> None:
    listed = admin.get("/quarantine.json").json()
    assert len(listed["held"]) == listed["waiting"] == 3
    assert "&lt;b&gt;plate" in admin.get("/quarantine").text
    assert [each["id"] for each in admin.get("/quarantine.json?order=oldest").json()["held"]] == [1, 2, 3]
    assert admin.get("/quarantine.json?text=PLATE1").json()["held"][0]["path"] == "/<b>plate1.csv"
    for _ in range(100):
        shown = admin.get("/quarantine/1.json").json()
        if shown["preview"]["summary"]:
            break
    (row,) = [each for each in shown["excerpt"]["rows"] if any(each["faults"])]
    assert (row["row"], row["cells"]) == (3, ["A2", "-5"])
    assert row["faults"][0] == ""
    assert "at least 0" in row["faults"][1]
    assert "<mark>-5</mark>" in admin.get("/quarantine/1").text
    saved = admin.get(shown["download"])
    assert saved.headers["content-disposition"].startswith("attachment")
    assert saved.text.startswith("well,value")


def test_a_page_goes_on_by_cursor(admin: httpx.Client) -> None:
    first = admin.get("/api/v1/quarantine?limit=2").json()
    then = admin.get("/api/v1/quarantine", params={"limit": 2, "cursor": first["next"]}).json()
    assert [each["id"] for each in first["held"] + then["held"]] == [3, 2, 1]
    assert then["next"] is None
    assert admin.get("/quarantine?cursor=stale").status_code == 422
    assert admin.get("/quarantine/99").status_code == 404


def test_deciding_takes_the_right_a_reason_and_happens_once(admin: httpx.Client, viewer: httpx.Client) -> None:
    assert viewer.get("/quarantine/2").status_code == 200
    assert "Release" not in viewer.get("/quarantine/2").text
    for verb in ("release", "reject"):
        assert send(viewer, f"/quarantine/2/{verb}", because="mine").status_code == 403
    assert send(admin, "/quarantine/2/release").status_code == 422
    assert send(admin, "/quarantine/2/release", because="right", into="nowhere").status_code == 404
    assert send(admin, "/quarantine/2/release", because="the blank is below 0").status_code == 303
    assert send(admin, "/quarantine/2/release", because="again").status_code == 409
    assert admin.get("/quarantine/2.json").json()["held"]["because"] == "the blank is below 0"
    assert send(admin, "/quarantine/3/reject", because="a test").status_code == 303
    noted = admin.get("/api/v1/quarantine/3").json()
    assert (noted["state"], noted["decided_by"]) == ("REJECTED", "admin")


def test_a_corrected_file_takes_the_place_of_the_refused_one(admin: httpx.Client) -> None:
    assert send(admin, "/quarantine/1/assign", to="vera").status_code == 303
    assert admin.get("/quarantine/1.json").json()["held"]["assigned_to"] == "vera"
    sent = {"csrf": form_word(admin.get("/").text), "because": "the sign was wrong"}
    files = {"files": ("../../plate.csv", b"well,value\nA1,0\nA2,5\n")}
    assert admin.post("/quarantine/1/resubmit", data=sent, files=files).status_code == 303
    shown = admin.get("/quarantine/1.json").json()
    assert shown["held"]["state"] == "REPLACED"
    assert [each["what"] for each in shown["thread"]][:1] == ["assigned"]


def test_administrators_make_people_and_everybody_their_tokens(admin: httpx.Client, viewer: httpx.Client) -> None:
    made = send(admin, "/administration/people", name="Tom", title="<i>Tom", role="technician")
    assert "/welcome/" in made.text
    page = admin.get("/administration/people").text
    assert "&lt;i&gt;Tom" in page
    assert "/welcome/" not in page
    assert send(admin, "/administration/people", name="tom", role="viewer").status_code == 409
    assert send(admin, "/administration/people/tom/role", role="scientist").status_code == 303
    assert send(admin, "/administration/people/admin/role", role="viewer").status_code == 409
    assert send(viewer, "/administration/people/vera/role", role="administrator").status_code == 403
    token = send(viewer, "/account/tokens", name="reader", scope="quarantine.read")
    word = token.text.split('for reader">')[1].split("<")[0]
    found = httpx.get(f"{admin.base_url}/api/v1/quarantine", headers={"authorization": f"Bearer {word}"})
    assert found.status_code == 200
    (kept,) = viewer.get("/account.json").json()["tokens"]
    assert send(viewer, f"/tokens/{kept['id']}/end").status_code == 303
    assert viewer.get("/account.json").json()["tokens"] == []


def test_the_audit_is_searched_proved_and_taken_out(admin: httpx.Client, viewer: httpx.Client) -> None:
    denied = admin.get("/administration/audit.json", params={"who": "vera", "outcome": "denied"}).json()["entries"]
    assert "quarantine.release" in {each["action"] for each in denied}
    assert admin.get("/administration/audit/verify.json").json()["report"]["faults"] == []
    lines = admin.get("/administration/audit/export").text.splitlines()
    assert [json.loads(each)["number"] for each in lines] == list(range(1, len(lines) + 1))
    assert admin.get("/administration/audit?since=never").status_code == 422
    for path in ("/administration", "/administration/people", "/administration/tokens", "/administration/audit"):
        assert admin.get(path).status_code == 200
        assert viewer.get(path).status_code == 403
    assert [each["name"] for each in viewer.get("/sources.json").json()["sources"]] == ["readings"]


def test_the_hub_answers_one_select_and_nothing_else(admin: httpx.Client, viewer: httpx.Client) -> None:
    answer = admin.get("/hub.json", params={"sql": "SELECT 1 AS a, '<b>' AS b"}).json()
    assert (answer["rows"]["columns"], answer["rows"]["rows"]) == (["a", "b"], [[1, "<b>"]])
    assert "&lt;b&gt;" in admin.get("/hub", params={"sql": "SELECT '<b>'"}).text
    assert "Only a single SELECT" in admin.get("/hub.json", params={"sql": "CREATE TABLE t (a)"}).json()["problem"]
    assert admin.get("/hub/csv", params={"sql": "SELECT 1 AS a"}).text == "a\n1\n"
    assert admin.get("/hub/tables/none").status_code == 404
    assert viewer.get("/hub").status_code == 200
    assert viewer.get("/hub", params={"sql": "SELECT 1"}).status_code == 403
    assert viewer.get("/hub/csv", params={"sql": "SELECT 1"}).status_code == 403


def test_rows_are_taken_out_whole_and_a_query_is_canceled(admin: httpx.Client, viewer: httpx.Client) -> None:
    few = {"sql": "SELECT 1 AS a"}
    assert admin.get("/hub/parquet", params=few).content[:4] == b"PAR1"
    assert admin.get("/hub/csv", params={"sql": "DROP TABLE t"}).status_code == 422
    assert viewer.get("/hub/parquet", params=few).status_code == 403
    assert send(viewer, "/hub/cancel").status_code == 403
    assert admin.post("/hub/cancel").status_code == 403
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(admin.get, "/hub.json", params={"sql": endless})
        until(lambda: send(admin, "/hub/cancel").status_code == 204 and asked.done())
        assert asked.result().json()["problem"] == "The query was canceled."


def test_lineage_leads_back_to_the_arrival(admin: httpx.Client) -> None:
    found = admin.get("/datasets/readings/1/lineage.json", params={"path": "<b>whole.csv"})
    assert found.status_code == 200
    assert "arrival" in {each["kind"] for each in found.json()["root"]["back"]}
    page = admin.get("/datasets/readings/1/lineage/%3Cb%3Ewhole.csv")
    assert (page.status_code, "&lt;b&gt;whole" in page.text, "<b>whole" in page.text) == (200, True, False)
    assert admin.get("/datasets/readings/1/lineage/none").status_code == 404


def test_a_graph_is_taken_out_as_a_drawing_and_as_prov(admin: httpx.Client, viewer: httpx.Client) -> None:
    there = {"path": "<b>whole.csv"}
    drawing = viewer.get("/datasets/readings/1/lineage.svg", params=there)
    assert drawing.headers["content-disposition"].startswith("attachment")
    root = ElementTree.fromstring(drawing.text)
    assert "<b>whole.csv" in "".join(root.itertext())
    prov = viewer.get("/datasets/readings/1/lineage.prov.json", params=there).json()
    assert len(prov["wasDerivedFrom"]) == 1
    shown = admin.get("/datasets/readings/1/lineage.json", params=there).json()["graph"]
    assert [(each["kind"], each["focus"]) for each in shown["boxes"]] == [("arrival", False), ("file", True)]
    for wrong in ({"unfold": "<b>"}, {"shut": "../.."}, {"zoom": "0"}):
        assert admin.get("/datasets/readings/1/lineage/%3Cb%3Ewhole.csv", params=wrong).status_code == 422


def test_a_one_time_link_that_is_over_says_so_and_lets_one_sign_in(admin: httpx.Client) -> None:
    """Who clicks on it again, in the mail, is neither told nothing nor sent from the sign-in page back to it."""
    made = send(admin, "/administration/people", name="Uma", title="Uma", role="technician")
    link = re.search(r"/welcome/[\w-]+", made.text)[0]  # type: ignore[index]  # or the test fails here
    with httpx.Client(base_url=admin.base_url) as new:
        word = form_word(new.get(link).text)
        sent = {"password": "a long enough word", "again": "a long enough word", "csrf": word}
        assert new.post(link, data=sent).status_code == 303
    with httpx.Client(base_url=admin.base_url) as later:
        page = later.get(link)
        assert page.status_code == 401
        assert "This link has been used, or is too old; ask for a new one." in page.text
        assert 'name="next" value="/"' in page.text
        page = later.post(link, data={**sent, "csrf": form_word(page.text)})
        assert (page.status_code, "This link has been used" in page.text) == (401, True)
