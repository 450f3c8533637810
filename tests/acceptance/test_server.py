"""The real server over real labs: signing in, pages and twins, the API, and how it starts and ends."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from aliquot.db.tables import audit
from aliquot.lab import open_lab
from lab_folder import LabFolder
from running_server import PASSWORD, RunningServer, form_word, running_server

PIPELINE = """
pipeline: copies
inputs: {texts: {dataset: texts}}
parameters: {word: {type: string, default: hello}}
steps:
  copy:
    inputs: {file: {from: texts, glob: "/{name}"}}
    command: cp "$FILE" "$OUT/"
outputs: {copies: {from: copy, publish: copies}}
"""


def make_lab(folder: Path, catalogue: str) -> LabFolder:
    lab = LabFolder(folder)
    lab.write("aliquot.yaml", f"lab: riverside\ncatalogue: {catalogue}\nexecutor: {{kind: process, workers: 1}}\n")
    lab.write("pipelines/copies.yaml", PIPELINE)
    lab.write("files/a<b>.txt", "text")
    lab.run("apply")
    lab.run("ingest", "texts", "files")
    lab.run("run", "start", "copies", "--publish", "--wait")
    return lab


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    url = "sqlite:///.aliquot/catalogue.db"
    if request.param == "postgresql":
        cluster = request.getfixturevalue("postgresql_cluster")
        url = cluster.url(cluster.create())
    with running_server(make_lab(tmp_path_factory.mktemp("lab"), url)) as started:
        yield started


@pytest.fixture(scope="module")
def admin(server: RunningServer) -> Iterator[httpx.Client]:
    client = server.administrator()
    yield client
    client.close()


def token_of(client: httpx.Client) -> dict[str, str]:
    return {"x-csrf-token": form_word(client.get("/").text)}


def test_nobody_sees_anything(server: RunningServer) -> None:
    with server.client() as client:
        answer = client.get("/runs?state=RUNNING")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/runs%3Fstate%3DRUNNING")
        for path in ("/runs.json", "/home.json", "/api/v1/runs", "/api/v1/openapi.json", "/events/stream", "/metrics"):
            answer = client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "sign-in-needed"
        assert client.get("/health/live").json() == {"live": True}
        assert client.get("/health/ready").json() == {"ready": True, "database": True, "store": True}


def test_a_page_and_its_twin_say_the_same(admin: httpx.Client) -> None:
    page, twin = admin.get("/runs/1"), admin.get("/runs/1.json")
    assert "of copies" in page.text
    said = twin.json()
    assert (said["run"]["state"], said["steps"][0]["ran"]) == ("COMPLETE", 1)
    told = admin.get("/api/v1/runs/1").json()
    assert told == {name: said[name] for name in told}
    home = admin.get("/home.json").json()
    assert [(each["dataset"], each["run"]) for each in home["results"]] == [("copies", 1)]
    assert admin.get("/").status_code == 200


def test_a_fragment_is_a_block_of_its_page(admin: httpx.Client) -> None:
    asked = {"hx-request": "true", "hx-target": "overview"}
    part = admin.get("/runs/1", headers=asked)
    assert part.text.strip().startswith('<section id="overview"')
    assert "<html" not in part.text
    missing = admin.get("/runs/99", headers=asked)
    assert missing.status_code == 404
    assert "<html" not in missing.text


def test_lists_go_on_by_cursor_and_answers_have_tags(admin: httpx.Client) -> None:
    for _ in range(2):
        made = admin.post("/api/v1/runs", json={"pipeline": "copies"}, headers=token_of(admin))
        assert made.status_code == 201, made.text
    seen, cursor = [], ""
    for _ in range(20):
        page = admin.get("/api/v1/runs", params={"limit": 1, "cursor": cursor}).json()
        seen += [each["run"] for each in page["runs"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == 1
    assert admin.get("/api/v1/runs?cursor=bad!").json()["code"] == "cursor-refused"
    assert admin.get("/api/v1/runs?limit=0").json()["code"] == "request-refused"
    assert admin.get("/api/v1/runs?state=ODD").json()["code"] == "state-unknown"
    tag = admin.get("/api/v1/runs/1").headers["etag"]
    assert admin.get("/api/v1/runs/1", headers={"if-none-match": tag}).status_code == 304


def test_a_request_sent_twice_starts_one_run(admin: httpx.Client) -> None:
    headers = token_of(admin) | {"idempotency-key": "once"}
    wish = {"pipeline": "copies", "parameters": {"word": "ö"}}
    answers: list[httpx.Response] = []

    def send() -> None:
        answers.append(admin.post("/api/v1/runs", json=wish, headers=headers))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {each.status_code for each in answers} == {201}
    assert len({each.json()["run"] for each in answers}) == 1
    other = admin.post("/api/v1/runs", json={"pipeline": "copies"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    wrong = admin.post("/api/v1/runs", json={"pipeline": "none"}, headers=token_of(admin))
    assert (wrong.status_code, wrong.json()["code"]) == (404, "pipeline-missing")
    unknown = admin.post("/api/v1/runs", json={"pipeline": "copies", "odd": 1}, headers=token_of(admin))
    assert unknown.status_code == 422


def test_no_other_site_can_send_a_form(server: RunningServer, admin: httpx.Client) -> None:
    wish = {"pipeline": "copies"}
    assert admin.post("/api/v1/runs", json=wish).json()["code"] == "form-outdated"
    own = token_of(admin)
    for header in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        answer = admin.post("/api/v1/runs", json=wish, headers=own | header)
        assert (answer.status_code, answer.json()["code"]) == (403, "other-origin")
    with open_lab(server.lab.folder) as lab, lab.catalogue.read() as connection:
        denied = set(connection.execute(select(audit.c.who).where(audit.c.outcome == "denied")).scalars())
    assert denied == {"admin"}


def test_answers_carry_what_keeps_browsers_safe(admin: httpx.Client) -> None:
    for path in ("/", "/runs/1", "/nothing", "/api/v1/runs"):
        headers = admin.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-request-id"]
    page = admin.get("/").text
    assert "style=" not in page
    assert "<script>" not in page
    assert "onclick" not in page


def test_sessions_are_kept_safe_and_end(server: RunningServer, admin: httpx.Client) -> None:
    del admin
    with server.client() as client:
        page = client.get("/login?next=https://evil.example/")
        assert 'name="next" value="/"' in page.text
        wrong = client.post("/login", data={"name": "admin", "password": "x", "csrf": form_word(page.text)})
        assert wrong.status_code == 401
        assert "do not fit together" in wrong.text
        sent = {"name": "admin", "password": PASSWORD, "csrf": form_word(page.text), "next": "//evil.example"}
        right = client.post("/login", data=sent)
        assert right.headers["location"] == "/"
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        kept = dict(client.cookies)
        client.post("/logout", data={"csrf": form_word(client.get("/").text)})
        assert httpx.get(f"{server.address}/home.json", cookies=kept).status_code == 401


def test_bodies_and_hosts_are_bounded(server: RunningServer, admin: httpx.Client) -> None:
    large = admin.post("/api/v1/runs", content=b" " * 2_000_000, headers=token_of(admin))
    assert (large.status_code, large.json()["code"]) == (413, "body-too-large")
    chunks = admin.post("/api/v1/runs", content=iter([b" " * 500_000] * 4), headers=token_of(admin))
    assert chunks.status_code == 413
    assert httpx.get(f"{server.address}/health/live", headers={"host": "evil.example"}).status_code == 400


def test_metrics_and_description(admin: httpx.Client) -> None:
    assert admin.post("/api/v1/runs", json={"pipeline": "copies"}, headers=token_of(admin)).status_code == 201
    text = admin.get("/metrics").text
    assert 'aliquot_reachable{part="database"} 1.0' in text
    assert 'aliquot_runs{state="QUEUED"}' in text
    said = admin.get("/api/v1/openapi.json").json()
    assert said["paths"]["/api/v1/runs"]["post"]["x-aliquot-action"] == "run.start"
    assert "/api/v1/runs" in admin.get("/api/docs").text


def test_events_tell_that_a_run_has_moved(server: RunningServer, admin: httpx.Client) -> None:
    assert admin.get("/events/stream?topics=odd").json()["code"] == "topic-refused"
    own = token_of(admin)
    with admin.stream("GET", "/events/stream?topics=runs,run-1", timeout=60) as stream:
        lines = (each for each in stream.iter_lines() if each != ": still here")
        assert next(each for each in lines if each.startswith("event:")) == "event: open"
        admin.post("/api/v1/runs", json={"pipeline": "copies"}, headers=own)
        assert next(each for each in lines if each.startswith("event:")) == "event: runs"


def test_a_taken_port_is_told(server: RunningServer) -> None:
    listen = server.address.removeprefix("http://")
    done = server.lab.run("serve", "--listen", listen, "--json", expect=5)
    assert json.loads(done.stderr[done.stderr.index("{\n") :])["code"] == "port-taken"


def test_a_second_lab_is_up_at_another_port(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path)
    lab.environment.pop("ALIQUOT_LISTEN")
    lab.write("aliquot.yaml", "lab: alone\n")
    with socket.socket() as first:
        # Whoever has the port, this test or another one of this machine: it is taken.
        with suppress(OSError):
            first.bind(("127.0.0.1", 8642))
            first.listen()
        with running_server(lab, "up") as second:
            assert "Port 8642 is taken" in second.log()
            with second.client() as client:
                assert client.get("/health/live").json() == {"live": True}


def test_another_address_takes_people(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path)
    lab.write("aliquot.yaml", "lab: alone\n")
    refused = lab.run("serve", "--listen", "0.0.0.0:0", expect=2)
    assert "Nobody has an account yet" in refused.stderr


def test_up_serves_beside_the_loop_and_ends_with_open_streams(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path)
    lab.write("aliquot.yaml", "lab: alone\n")
    with running_server(lab, "up") as started:
        with started.administrator().stream("GET", "/events/stream") as stream:
            next(stream.iter_lines())
            assert started.stop() == 0
        assert "The lab is down" in started.log()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", int(started.address.rpartition(":")[2])), 5)


def test_strangers_cannot_fill_the_audit_nor_leave_secrets_in_it(server: RunningServer, admin: httpx.Client) -> None:
    del admin
    invited = server.lab.json("user", "add", "vera", "--role", "viewer")["link"]
    with server.client() as stranger:
        assert stranger.get(invited).status_code == 200
        stranger.cookies.clear()
        for _ in range(5):
            assert stranger.post("/login", data={"name": "admin", "password": "x"}).status_code == 403
            assert stranger.post(invited, data={"password": PASSWORD, "again": PASSWORD}).status_code == 403
        assert stranger.get(invited).status_code == 200
    with open_lab(server.lab.folder) as lab, lab.catalogue.read() as connection:
        rows = connection.execute(select(audit).where(audit.c.how == "nobody", audit.c.outcome == "denied")).all()
    assert [row.action for row in rows].count("form-outdated") == 1
    assert invited.rpartition("/")[2] not in str(rows)


def test_no_large_body_is_read_before_its_sender_is_known(server: RunningServer) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        head = f"POST /quarantine/1/resubmit HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {1 << 30}\r\n"
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode())
        assert line.recv(1000).startswith((b"HTTP/1.1 303", b"HTTP/1.1 401", b"HTTP/1.1 403"))
