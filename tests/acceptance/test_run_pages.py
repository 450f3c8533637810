"""Pipelines, runs and tasks on the pages and in the API of a real `aliquot up`."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from aliquot.access.by import at_the_machine
from aliquot.access.people import add_person, set_password
from aliquot.access.rights import EVERYWHERE, Role
from aliquot.lab import open_lab
from lab_folder import LabFolder
from running_server import PASSWORD, RunningServer, form_word, running_server
from waiting import until

PIPELINE = """
pipeline: words
title: Words <b>
description: Copies texts.
parameters:
  least: {type: integer, title: Least words, unit: words, minimum: 0, maximum: 9, default: 1}
  wait: {type: string, default: ""}
  loud: {type: boolean, default: false}
inputs: {texts: {dataset: texts, title: Texts}}
steps:
  copy:
    inputs: {file: {from: texts, glob: "/{name}"}}
    command: |
      echo "<i>begun $NAME</i>"
      while [ -n "$WAIT" ] && [ ! -e "$WAIT" ]; do sleep 0.1; done
      case "$NAME" in bad*) [ "$LEAST" -gt 5 ] || exit 3;; esac
      cp "$FILE" "$OUT/"
  gather:
    inputs: {all: {from: copy, glob: "/"}}
    parameters: []
    command: ls "$ALL" > "$OUT/list.txt"
outputs: {copies: {from: copy, publish: copies}, lists: {from: gather}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    lab = LabFolder(tmp_path_factory.mktemp("lab"))
    lab.write("aliquot.yaml", "lab: riverside\nexecutor: {kind: process, workers: 4}\n")
    lab.write("pipelines/words.yaml", PIPELINE.replace("maximum: 9", "maximum: 8"))
    lab.run("apply")
    lab.write("pipelines/words.yaml", PIPELINE)
    lab.write("pipelines/bare.yaml", "pipeline: bare\nsteps: {one: {command: 'true'}}\n")
    lab.run("apply")
    for name in ("a<b>.txt", "bad.txt", "c.txt"):
        lab.write(f"files/{name}", name)
    lab.run("ingest", "texts", "files")
    with running_server(lab, "up") as started:
        yield started


@pytest.fixture(scope="module")
def admin(server: RunningServer) -> Iterator[httpx.Client]:
    client = server.administrator()
    client.headers["x-csrf-token"] = form_word(client.get("/").text)
    yield client
    client.close()


@pytest.fixture(scope="module")
def viewer(server: RunningServer, admin: httpx.Client) -> Iterator[httpx.Client]:
    del admin
    by = at_the_machine("tester", "here")
    with open_lab(server.lab.folder) as lab:
        lab.catalogue.repeat(lambda connection: add_person(connection, by, "vera", {EVERYWHERE: Role.VIEWER}))
        lab.catalogue.repeat(lambda connection: set_password(connection, by, "vera", PASSWORD))
    client = server.client("vera")
    client.headers["x-csrf-token"] = form_word(client.get("/").text)
    yield client
    client.close()


@pytest.fixture(scope="module")
def parked(admin: httpx.Client) -> int:
    """Give a run, started from its form, in which one datum is parked."""
    form = admin.get("/pipelines/words/start", params={"plan": "1", "p.least": "2"})
    assert "3 datums, 3 would run" in form.text
    sent = {"csrf": form_word(form.text), "once": "first", "p.least": "2", "publish": "true"}
    answers = [admin.post("/pipelines/words/start", data=sent) for _ in range(2)]
    assert {each.status_code for each in answers} == {303}
    assert len({each.headers["location"] for each in answers}) == 1
    number = int(answers[0].headers["location"].rpartition("/")[2])
    until(lambda: admin.get(f"/api/v1/runs/{number}").json()["run"]["ended_at"])
    return number


def test_every_page_shows_what_its_twin_says(admin: httpx.Client, parked: int, server: RunningServer) -> None:
    run = f"/runs/{parked}"
    pages = {
        "/pipelines": "Words &lt;b&gt;",
        "/pipelines/bare": "by hand", "/pipelines/bare/start": "Show what would run",
        "/pipelines/words": "Least words", "/pipelines/words/versions": "maximum: 9",
        "/pipelines/words/start": "(words)", run: "Retry all 1", f"{run}/tasks": "a&lt;b&gt;.txt",
        f"{run}/tasks/copy/1": "&lt;i&gt;begun", f"{run}/tasks/copy/1/why": "it is new", f"{run}/outputs": "/c.txt",
        f"{run}/resources": "Wall time", f"{run}/compare": "no other run", f"{run}/steer": "nothing to steer",
    }  # fmt: skip
    with server.client() as nobody:
        for path, words in pages.items():
            page, twin = admin.get(path), admin.get(f"{path}.json")
            assert (page.status_code, twin.status_code) == (200, 200), path
            assert words in page.text, path
            assert "<i>begun" not in page.text
            assert "style=" not in page.text
            assert nobody.get(path).status_code == 303
    assert admin.get(f"{run}/tasks/copy/99").status_code == 404
    assert admin.get(f"{run}/tasks?cursor=odd!").status_code == 422
    assert admin.get("/pipelines/none").status_code == 404
    assert admin.get(f"{run}/compare?other=99").status_code == 404


def test_tasks_are_chosen_and_go_on_by_cursor(admin: httpx.Client, parked: int) -> None:
    def names(**query: Any) -> list[str]:
        return [each["task"] for each in admin.get(f"/api/v1/runs/{parked}/tasks", params=query).json()["tasks"]]

    whole = names()
    assert [each.partition("/")[0] for each in whole] == ["copy", "copy", "copy", "gather"]
    seen, cursor = [], ""
    while cursor is not None:
        page = admin.get(f"/api/v1/runs/{parked}/tasks", params={"limit": 1, "cursor": cursor}).json()
        seen += [each["task"] for each in page["tasks"]]
        cursor = page["next"]
    assert seen == whole
    (failed,) = names(stands="parked")
    assert names(cause="user") == names(datum="BAD") == names(stands="executor_error") == [failed]
    assert names(cause="oom") == names(datum="parts") == []
    assert names(step="gather", stands="ran") == ["gather/1"]
    assert admin.get(f"/api/v1/runs/{parked}/tasks?stands=odd").json()["code"] == "state-unknown"
    detail = admin.get(f"/api/v1/runs/{parked}/tasks/{failed}").json()
    assert detail["tried"][0]["attempt"]["exit_code"] == 3
    log = admin.get(f"/api/v1/runs/{parked}/tasks/{failed}/log/1/stdout")
    assert (log.text, log.headers["content-type"]) == ("<i>begun bad.txt</i>\n", "text/plain; charset=utf-8")
    listed = admin.get(f"/api/v1/runs/{parked}/outputs?limit=1").json()
    assert listed["outputs"][0]["version"] == 1
    (file,) = listed["files"]
    got = admin.get(f"/runs/{parked}/tasks/{file['task']}/files{file['path']}")
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.content == file["path"][1:].encode()


def test_a_wrong_form_comes_back_with_its_faults_at_the_fields(admin: httpx.Client, viewer: httpx.Client) -> None:
    sent = {"p.least": "10", "in.texts": "none@1", "priority": "x"}
    faults = admin.get("/pipelines/words/start.json", params={**sent, "plan": "1"}).json()["problems"]
    assert set(faults) == {"p.least", "in.texts", "priority"}
    back = admin.post("/pipelines/words/start", data={**sent, "csrf": admin.headers["x-csrf-token"]})
    assert back.status_code == 422
    assert 'aria-invalid="true" aria-describedby="p-p.least"' in back.text
    assert 'value="10"' in back.text
    plan = viewer.post("/api/v1/pipelines/words/plan", json={"parameters": {"least": 3}})
    assert plan.json()["datums"] == 3
    refused = viewer.post("/pipelines/words/start", data={"csrf": viewer.headers["x-csrf-token"]})
    assert refused.status_code == 403


def test_what_is_parked_is_tried_again_once(admin: httpx.Client, viewer: httpx.Client, parked: int) -> None:
    assert viewer.post(f"/api/v1/runs/{parked}/retry", json={}).status_code == 403
    assert "Retry all" not in viewer.get(f"/runs/{parked}").text
    sent = {"csrf": admin.headers["x-csrf-token"], "once": "x", "cause": "user"}
    answers = {admin.post(f"/runs/{parked}/retry", data=sent).headers["location"] for _ in range(2)}
    assert len(answers) == 1
    (new,) = answers
    until(lambda: admin.get(f"/api/v1{new}").json()["run"]["ended_at"])
    assert admin.get(f"{new}/compare.json").json()["other"] == parked
    found = admin.get(f"/api/v1{new}/compare/{parked}").json()["comparison"]
    names, totals = ("changed", "only_before", "only_after"), ("changed_total", "only_before_total", "only_after_total")
    nothing = {key: [] for key in names} | dict.fromkeys(totals, 0)
    assert found["datums"][0] == {"name": "copy", "same": 3, **nothing}
    page = admin.get(f"{new}/compare.json?other={parked}").json()
    assert (page["found"]["comparison"], page["at"] > 0) == (found, True)


def test_a_run_is_followed_and_steered(server: RunningServer, admin: httpx.Client, viewer: httpx.Client) -> None:
    go = server.lab.folder / "go"
    wish = {"pipeline": "words", "parameters": {"wait": str(go)}}
    number = admin.post("/api/v1/runs", json=wish).json()["run"]
    task = f"/api/v1/runs/{number}/tasks/copy/1"
    printed = until(lambda: (admin.get(task).json().get("printed") or {}).get("stdout"))
    assert printed == "<i>begun a<b>.txt</i>\n"
    page = admin.get(f"/runs/{number}/tasks/copy/1").text
    assert "&lt;i&gt;begun a&lt;b&gt;.txt&lt;/i&gt;" in page
    assert 'hx-trigger="every 2s"' in page
    for verb, state in (("pause", "PAUSED"), ("resume", "RUNNING")):
        assert viewer.post(f"/api/v1/runs/{number}/{verb}").status_code == 403
        assert admin.post(f"/api/v1/runs/{number}/{verb}").json()["state"] == state
    assert admin.post(f"/api/v1/runs/{number}/priority", json={"priority": 5}).json()["priority"] == 5
    form = admin.get(f"/runs/{number}/steer").text
    done = admin.post(f"/runs/{number}/cancel", data={"csrf": form_word(form)})
    assert done.headers["location"] == f"/runs/{number}"
    ended = until(lambda: (run := admin.get(f"/api/v1/runs/{number}").json()["run"])["ended_at"] and run)
    assert ended["state"] == "CANCELED"
    assert admin.post(f"/api/v1/runs/{number}/pause").json()["code"] == "run-ended"
