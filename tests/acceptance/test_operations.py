"""What operators see: request ids and run ids in logs, traces, numbers; and several servers over one PostgreSQL."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from aliquot.server.app import registered
from lab_folder import LabFolder
from running_server import PASSWORD, form_word, running_server
from waiting import until

PIPELINE = """
pipeline: copies
inputs: {texts: {dataset: texts}}
steps:
  copy:
    inputs: {file: {from: texts, glob: "/{name}"}}
    command: cp "$FILE" "$OUT/"
outputs: {copies: {from: copy, publish: copies}}
"""

PLACES = {
    "number": "1",
    "name": "texts",
    "version": "1",
    "before": "1",
    "step": "copy",
    "ordinal": "1",
    "path": "a.txt",
}
"""What the places of paths stand for, so that every page of a lab with one run can be asked for."""


class Collector:
    """A collector of traces on loopback (OTLP over HTTP)."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        collector = self

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = ExportTraceServiceRequest()
                sent.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
                for of in sent.resource_spans:
                    service = {each.key: each.value.string_value for each in of.resource.attributes}["service.name"]
                    for scope in of.scope_spans:
                        collector.spans += [_span(service, each) for each in scope.spans]
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)

    def named(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.spans if each["name"] == name]


def _span(service: str, span: Any) -> dict[str, Any]:
    values = {each.key: each.value for each in span.attributes}
    return {
        "service": service, "name": span.name, "trace": span.trace_id.hex(), "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(), "status": span.status.code,
        "nanoseconds": span.end_time_unix_nano - span.start_time_unix_nano,
        **{name: value.string_value or value.int_value for name, value in values.items()},
    }  # fmt: skip


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        collector.server.server_close()
        thread.join()


def requests_in(log: str) -> list[dict[str, Any]]:
    said = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [each for each in said if each["event"] == "request"]


def test_requests_and_runs_can_be_followed(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path)
    lab.write("aliquot.yaml", "lab: riverside\nexecutor: {kind: process, workers: 1}\n")
    lab.write("pipelines/copies.yaml", PIPELINE)
    lab.write("files/a.txt", "text")
    lab.run("apply")
    lab.run("ingest", "texts", "files")
    with collecting() as collector:
        lab.environment |= {
            "ALIQUOT_LOG": "json", "ALIQUOT_LOG_LEVEL": "info",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server.server_port}",
        }  # fmt: skip
        lab.run("run", "start", "copies")
        with running_server(lab, "up") as server:
            admin = server.administrator()
            until(lambda: admin.get("/runs/1.json").json()["run"]["state"] == "COMPLETE")
            trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
            headers = {"x-request-id": "of-the-proxy-7", "traceparent": f"00-{trace}-{span}-01"}
            answer = admin.get("/api/v1/runs/1?secret=word", headers=headers)
            assert answer.headers["x-request-id"] == "of-the-proxy-7"
            missing = admin.get("/api/v1/runs/99", headers=headers)
            assert missing.json()["request"] == "of-the-proxy-7"
            for odd in ("short", "x" * 65, "with space in it", "with\"quotes'"):
                assert admin.get("/health/live", headers={"x-request-id": odd}).headers["x-request-id"] != odd
            numbers = admin.get("/metrics").text
            for line in (
                'aliquot_runs_ended_total{state="COMPLETE"} 1.0', "aliquot_all_receipts_total 1.0",
                'aliquot_tasks_ended_last_hour{state="COMPLETE"} 1.0', 'aliquot_latency_seconds{part="store"}',
                'aliquot_requests_total{method="GET",route="/api/v1/runs/{number}",status="404"} 1.0',
            ):  # fmt: skip
                assert line in numbers, line
            assert server.stop() == 0
        said = requests_in(server.log())
        mine = [(each["path"], each["run"], each["status"]) for each in said if each["request"] == "of-the-proxy-7"]
        assert mine == [("/api/v1/runs/{number}", 1, 200), ("/api/v1/runs/{number}", 99, 404)]
        ended = [json.loads(line) for line in server.log().splitlines() if '"run ended"' in line]
        assert [each["run"] for each in ended] == [1]
        assert "secret" not in server.log()
        # Whatever was under way is sent before the process ends.
        asked = next(each for each in collector.named("GET /api/v1/runs/{number}") if each["parent"] == span)
        assert (asked["trace"], asked["aliquot.run"], asked["service"]) == (trace, 1, "aliquot-up")
        assert asked["aliquot.request"] == "of-the-proxy-7"
        (run,) = collector.named("run")
        assert (run["aliquot.run"], run["aliquot.pipeline"], run["aliquot.state"]) == (1, "copies", "COMPLETE")
        (attempt,) = collector.named("attempt")
        assert (attempt["parent"], attempt["aliquot.step"]) == (run["id"], "copy")
        assert attempt["nanoseconds"] <= run["nanoseconds"]
        assert collector.named("engine cycle")
        assert "secret" not in str(collector.spans)


def test_a_collector_that_is_away_holds_nothing_up(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path)
    lab.write("aliquot.yaml", "lab: riverside\n")
    lab.environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with running_server(lab) as server:
        assert server.client().get("/health/live").status_code == 200
        assert server.stop() == 0
    lab.environment |= {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert "http/protobuf" in lab.run("serve", expect=2).stderr


@pytest.fixture
def shared_lab(tmp_path: Path, postgresql_database: str) -> LabFolder:
    lab = LabFolder(tmp_path)
    settings = f"lab: riverside\ncatalogue: {postgresql_database}\nexecutor: {{kind: process, workers: 1}}\n"
    lab.write("aliquot.yaml", settings)
    lab.write("pipelines/copies.yaml", PIPELINE)
    lab.write("files/a.txt", "text")
    lab.write("files/deep/er/b.txt", "text")
    lab.run("apply")
    lab.run("ingest", "texts", "files")
    return lab


def test_two_servers_and_two_daemons_are_one_lab(shared_lab: LabFolder) -> None:
    with (
        running_server(shared_lab) as first,
        running_server(shared_lab) as second,
        running_loops(shared_lab, 2),
    ):
        # The link of whoever starts last is the one that holds.
        admin = second.administrator()
        admin.base_url = first.address
        with httpx.Client(base_url=second.address, cookies=dict(admin.cookies), timeout=60) as there:
            # A form of one server is good at the other, and so is what it wrote down of a request.
            own = {"x-csrf-token": form_word(admin.get("/").text), "idempotency-key": "once"}
            with there.stream("GET", "/events/stream?topics=runs") as stream:
                lines = (each for each in stream.iter_lines() if each.startswith("event:"))
                assert next(lines) == "event: open"
                made = admin.post("/api/v1/runs", json={"pipeline": "copies"}, headers=own)
                assert made.status_code == 201, made.text
                assert next(lines) == "event: runs"
            again = there.post("/api/v1/runs", json={"pipeline": "copies"}, headers=own)
            assert again.json() == made.json()
            number = made.json()["run"]
            until(lambda: there.get(f"/runs/{number}.json").json()["run"]["state"] == "COMPLETE")
            assert len(there.get("/api/v1/runs").json()["runs"]) == 1
            for path in addresses():
                answer = there.get(path)
                assert answer.status_code < 500, f"{path}: {answer.text}"
            # Signing out at one is signing out at the other; tries to guess are counted together.
            admin.post("/logout", data={"csrf": form_word(admin.get("/").text)})
            assert there.get("/home.json").status_code == 401
        answers = [_guess(server.client(), at) for at, server in enumerate((first, second) * 4)]
        assert 429 in answers
        late = _guess(second.client(), 99, PASSWORD)
        assert late == 429


def addresses() -> list[str]:
    """Give an address for each page, twin and list, with ids of which many are there."""
    found = [each for each in registered() if each.method == "GET" and each.kind in {"page", "twin", "api"}]
    paths = [re.sub(r"\{(\w+)(?::path)?\}", lambda place: PLACES.get(place[1], "1"), each.path) for each in found]
    assert len(paths) > 80
    return [path.replace("/pipelines/texts", "/pipelines/copies") for path in paths]


def _guess(client: httpx.Client, at: int, word: str = "") -> int:
    page = client.get("/login")
    sent = {"name": "admin", "password": word or f"guess {at}", "csrf": form_word(page.text)}
    return client.post("/login", data=sent).status_code


@contextmanager
def running_loops(lab: LabFolder, number: int) -> Iterator[None]:
    started = [lab.start("daemon") for _ in range(number)]
    try:
        yield
    finally:
        for each in started:
            each.terminate()
        for each in started:
            assert each.wait(60) == 0
