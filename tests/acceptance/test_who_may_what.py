"""Every route, for everybody, in their own project and in another one: the answer is the one of access/rights.py.

What is expected is computed from the table and from the routes as they are registered; a route that is added is asked
for by this test as soon as it is there.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from aliquot.access.rights import RIGHTS, Rights
from aliquot.server.app import registered
from aliquot.server.registered import Registered
from aliquot.server.routes import PUBLIC
from projects_lab import PROJECTS
from rights_world import Asker, World, other_of, rights_world

VIEWS = re.compile(r".*/view/.*|.*/shown.*")
"""Pictures of a file that is no spectrum and no picture: refused by what the file is."""

ROUTES = [
    each
    for each in registered()
    if each.path not in {"/logout", "/api/v1/sessions/end"} and "/provider" not in each.path
]
"""All but the two that end the session of who asks, and sign-in by a provider, of which this lab has none."""

HIDDEN = {"nothing-seen"}
"""The code of what is there, or is not: who may not see it is not told which."""

Sends = dict[str, Any]
Needs = Callable[[Rights, str], bool]


@dataclass(frozen=True, slots=True)
class Case:
    """A request in which the function itself looks at the project: what is sent, and what that takes."""

    method: str
    path: str
    sends: Callable[[World, Asker, Mapping[str, str]], Sends]
    needs: Needs
    hidden: int = 403
    """The status for who may not: 404 where even that it is there is not told."""
    further: bool = False
    """Whether the function asks for more with every request, so that the table's row alone does not decide."""
    costly: bool = False
    """Whether it starts a process: of those who may, an administrator alone asks."""


def may(*actions: str) -> Needs:
    return lambda rights, project: all(rights.allow(each, project) for each in actions)


def upload_headers(_world: World, _asker: Asker, thing: Mapping[str, str]) -> Sends:
    said = {"filename": "a.txt", "into": thing["dataset"]}
    words = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())
    return {"headers": {"upload-length": "4", "upload-metadata": words}}


def run_wish(**more: Any) -> Callable[[World, Asker, Mapping[str, str]], Sends]:
    return lambda _world, _asker, thing: {"json": {"pipeline": thing["pipeline"], **more}}


def json_of(make: Callable[[World, Asker, Mapping[str, str]], Any]) -> Callable[..., Sends]:
    return lambda world, asker, thing: {"json": make(world, asker, thing)}


def given(**params: str) -> Callable[..., Sends]:
    return lambda _world, _asker, thing: {"params": {key: value.format(**thing) for key, value in params.items()}}


def may_both(here: str, there: str) -> Needs:
    """Ask for one action in the project, and for another in the other project."""
    return lambda rights, project: rights.allow(here, project) and rights.allow(there, other_of(project))


def manages(rights: Rights, _project: str) -> bool:
    return rights.allow("people.manage")


CASES = (
    Case("POST", "/api/v1/runs", run_wish(), may("run.start")),
    Case("POST", "/api/v1/runs", run_wish(publish=True), may("run.start", "run.publish")),
    Case("POST", "/api/v1/runs", run_wish(priority=5), may("run.start", "run.prioritise")),
    Case("POST", "/api/v1/uploads", upload_headers, may("dataset.ingest")),
    Case("POST", "/api/v1/uploads/take", json_of(lambda world, asker, thing: {
        "into": thing["dataset"], "uploads": [world.upload(asker.name)]}), may("dataset.ingest")),
    Case("GET", "/events/stream", given(topics="run-{run}"), may("run.read")),
    Case("GET", "/api/v1/runs/{number}/compare/{other}", lambda *_: {}, may_both("run.read", "run.read"), further=True),
    Case("GET", "/runs/{number}/compare", given(other="{other_run}"), may_both("run.read", "run.read")),
    Case("GET", "/pipelines/{name}/start", given(run="{other_run}"),
         may_both("pipeline.read", "run.read")),
    Case("POST", "/api/v1/pipelines/{name}/plan", json_of(lambda _w, _a, thing: {
        "inputs": {"plates": thing["other_dataset"]}}),
        may_both("pipeline.read", "dataset.read")),
    Case("GET", "/hub/tables/{name}", lambda *_: {}, may("table.read"), 404, further=True, costly=True),
    Case("GET", "/hub/tables/{name}.json", lambda *_: {}, may("table.read"), 404, further=True, costly=True),
    Case("GET", "/hub/tables/{name}/csv", lambda *_: {}, may("table.read"), 404, further=True, costly=True),
    Case("GET", "/hub/tables/{name}/parquet", lambda *_: {}, may("table.read"), 404, further=True, costly=True),
    Case("GET", "/api/v1/hub/tables/{name}", lambda *_: {}, may("table.read"), 404, further=True),
    Case("GET", "/api/v1/hub/tables/{name}/rows", lambda *_: {}, may("table.read"), 404, further=True, costly=True),
    Case("GET", "/hub", given(sql="SELECT 1"), lambda rights, _: rights.allow("hub.query"), costly=True),
    Case("GET", "/sources/{name}", lambda *_: {}, may("source.read"), 404, further=True),
    Case("GET", "/sources/{name}.json", lambda *_: {}, may("source.read"), 404, further=True),
    Case("POST", "/sources/{name}/wake", lambda *_: {}, may("source.wake"), 404, further=True),
    Case("GET", "/api/v1/sources/{name}", lambda *_: {}, may("source.read"), 404, further=True),
    Case("POST", "/api/v1/sources/{name}/wake", lambda *_: {}, may("source.wake"), 404, further=True),
    # What a pipeline made: in its name, and in that of the dataset.
    Case("POST", "/api/v1/datasets/{name}/versions/{version}/reproduce", lambda _world, _asker, thing: {
        "values": {"name": thing["pipeline"]}}, may("dataset.read", "run.start", "run.read"), costly=True),
    # Somebody else has asked for it: only an administrator takes it back.
    Case("POST", "/api/v1/approvals/{number}/withdraw", lambda *_: {}, manages, further=True),
    Case("GET", "/api/v1/tokens", given(user="administrator"), manages),
    Case("GET", "/api/v1/tokens", given(user="*"), manages),
    Case("POST", "/api/v1/tokens", json_of(lambda world, *_: {
        "user": world.someone(), "name": "x", "scope": ["run.read"]}), manages),
    Case("DELETE", "/api/v1/tokens/{number}", lambda world, *_: {"values": {"number": world.token_of(world.someone())}},
         manages),
    Case("POST", "/tokens/{number}/end", lambda world, *_: {"values": {"number": world.token_of(world.someone())}},
         manages),
)  # fmt: skip
OF_A_FUNCTION = {(each.method, each.path) for each in CASES if each.further}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with rights_world(tmp_path_factory.mktemp("rights") / "lab") as made:
        yield made


def address_of(world: World, path: str, asker: Asker, thing: Mapping[str, str], values: Mapping[str, object]) -> str:
    return re.sub(
        r"\{(\w+)(?::path)?\}",
        lambda found: str(values.get(found[1]) or world.value_of(path, found[1], asker.name, thing)),
        path,
    )


@dataclass(slots=True)
class Told:
    """What an answer was; `unsafe` says what its headers lack."""

    status: int
    code: str
    text: str
    unsafe: str = ""


SAFE = {
    "x-content-type-options": r"nosniff", "x-frame-options": r"DENY", "referrer-policy": r"same-origin",
    "cross-origin-opener-policy": r"same-origin", "cross-origin-resource-policy": r"same-origin",
    "cache-control": r"no-store|private, (no-cache|max-age=\d+)(, immutable)?|no-cache, no-transform",
    "content-security-policy": r"(?!.*(unsafe|\*|https?:|data:))(default-src 'none'.*|sandbox.*)",
    "x-request-id": r"[0-9a-f]{16}", "permissions-policy": r"camera=\(\).*",
}  # fmt: skip
"""What every answer carries: nobody between keeps what is private; nothing is guessed, framed or run inline."""
COOKIE = r"aliquot_\w+=[^;]*;(?=.* HttpOnly)(?=.* Path=/)(?=.* SameSite=lax).*"


def lacks(headers: httpx.Headers) -> str:
    """Say what the headers of an answer lack; empty where they are right."""
    for name, wanted in SAFE.items():
        if not re.fullmatch(wanted, headers.get(name, "")):
            return f"header {name}: {headers.get(name)!r}"
    for cookie in headers.get_list("set-cookie"):
        if not re.fullmatch(COOKIE, cookie):
            return f"cookie {cookie.partition('=')[0]} is not kept safe: {cookie.rpartition(';')[2]}"
    if (
        headers.get("content-type", "").startswith("text/html")
        and "script-src 'self'" not in headers["content-security-policy"]
    ):
        return "a page without its policy"
    if {"server", "x-powered-by", "access-control-allow-origin"} & set(headers):
        return "a header that tells or opens too much"
    return ""


@dataclass(slots=True)
class Asking:
    """Sends requests for everybody, over one connection for each."""

    world: World
    clients: dict[str, httpx.Client] = field(default_factory=dict[str, httpx.Client])

    def ask(self, asker: Asker, route: Registered, thing: Mapping[str, str], sends: Sends) -> Told:
        if asker.label not in self.clients:
            self.clients[asker.label] = httpx.Client(
                base_url=self.world.address, cookies=asker.cookies, timeout=120,
                headers={"accept": "application/json", **asker.headers},
            )  # fmt: skip
        more = {key: value for key, value in sends.items() if key != "values"}
        if route.kind == "twin" and "params" not in more:
            # The twin of a page with a path has the path in its query.
            more["params"] = {"path": thing["held_file" if "quarantine" in route.path else "file"]}
        headers = more.pop("headers", {})
        if route.method not in {"GET", "HEAD"}:
            headers = headers | ({"x-csrf-token": asker.word} if asker.word else {})
            if not more and route.kind == "api":
                more["json"] = {}
        address = address_of(self.world, route.path, asker, thing, sends.get("values", {}))
        with self.clients[asker.label].stream(route.method, address, headers=headers, **more) as answer:
            if "event-stream" in answer.headers.get("content-type", ""):
                return Told(answer.status_code, "", "", lacks(answer.headers))
            answer.read()
        is_problem = route.method != "HEAD" and answer.headers.get("content-type", "") == "application/problem+json"
        return Told(answer.status_code, answer.json()["code"] if is_problem else "", answer.text, lacks(answer.headers))


def expected(asker: Asker, route: Registered, project: str) -> int | None:
    """Compute from the table what a route answers: a refusal's status, or None where it is let through."""
    if route.action == PUBLIC:
        return None
    if not asker.known or (route.kind == "hook" and not asker.headers):
        return 401  # what posts to a hook has a token
    rights, right = asker.rights, RIGHTS[route.action]
    if right.reach != "project":
        return None if rights.allow(route.action) else 403
    if route.project is None:
        return 403 if rights.projects(route.action) == frozenset() else None
    if rights.allow(route.action, project):
        return None
    # Of a project in which they have no role, people are told what they are told of what is not there.
    return 403 if rights.sees(project) or rights.projects(route.action) == frozenset() else 404


def complaint(told: Told, wanted: int | None, control: Told | None) -> str:
    """Say what is wrong with an answer; empty where it is right. `control` is what an administrator is told."""
    if told.unsafe:
        return told.unsafe
    if told.status >= 500:
        return f"{told.status} {told.text[:300]}"
    if wanted is not None:
        right = told.status == wanted and (wanted != 404 or told.code in HIDDEN)
        return "" if right else f"{told.status} {told.code}, not {wanted}"
    refused = told.code in {"access-denied", "sign-in-needed", "nothing-seen"}
    if refused:
        return f"{told.status} {told.code}, though it is allowed"
    if told.status == 404 and (control is None or control.code != told.code):
        return f"404 {told.code}, though it is there"
    return ""


@pytest.mark.timeout(900)
def test_every_route_answers_everybody_as_the_table_says(world: World) -> None:
    asking, wrong, asked = Asking(world), list[str](), 0
    # First of all an administrator, who is refused nothing: what is asked for has to be there.
    askers = sorted(world.askers, key=lambda each: each.label != "administrator")
    for project, thing in world.everything():
        foreign = PROJECTS[other_of(project)]
        for route in ROUTES:
            control = None
            for asker in askers:
                wanted = expected(asker, route, project)
                if (route.method, route.path) in OF_A_FUNCTION and wanted is None:
                    continue
                told = asking.ask(asker, route, thing, {})
                asked += 1
                control = control or (told if VIEWS.fullmatch(route.path) else None)
                said = complaint(told, wanted, control)
                # A list, a page, a row: nothing of a project is shown to those who have no role there.
                strange = asker.rights.role_in(other_of(project)) is None or asker.rights.only == project
                if not said and strange and told.status < 300 and foreign in told.text:
                    said = f"shows {foreign} of another project"
                if said:
                    wrong.append(f"{asker.label} in {project}: {route.method} {route.path} ({route.action}): {said}")
    assert not wrong, "\n".join(wrong)
    assert asked > 1000


@pytest.mark.timeout(900)
def test_functions_that_look_at_the_project_themselves_do_so(world: World) -> None:
    asking, wrong = Asking(world), list[str]()
    routes = {(each.method, each.path): each for each in ROUTES}
    for project, thing in world.everything():
        for number, case in enumerate(CASES):
            route = routes[case.method, case.path]
            for asker in world.askers:
                refused = expected(asker, route, project)
                if refused is None and not case.needs(asker.rights, project):
                    refused = case.hidden
                if refused is None and case.costly and asker.label != "administrator":
                    continue
                sends = case.sends(world, asker, thing) if asker.known else {}
                told = asking.ask(asker, route, thing, sends)
                # Whether it is the thing or what is named beside it that they may not see decides between these.
                if refused == 403 and told.status == 404:
                    refused = 404
                said = complaint(told, refused, None)
                if said or (refused is None and told.status >= 400 and told.status != 409):
                    wrong.append(f"{asker.label} in {project}: case {number} {case.path}: {said or told.text[:300]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.timeout(900)
def test_a_number_that_nothing_has_names_nothing(world: World) -> None:
    """No database keeps such a number, and none is asked for it."""
    asking, wrong = Asking(world), list[str]()
    admin = next(each for each in world.askers if each.label == "administrator")
    thing = dict(world.everything())["blue"]
    for route in ROUTES:
        for name in re.findall(r"\{(\w+)\}", route.path) if route.action != PUBLIC else ():
            for value in (10**30, -1):
                told = asking.ask(admin, route, thing, {"values": {name: value}})
                if told.status not in {200, 404, 409, 422, 303} or (
                    told.status == 200 and name in {"number", "ordinal"}
                ):
                    wrong.append(f"{route.method} {route.path} {name}={value}: {told.status} {told.text[:100]}")
    assert not wrong, "\n".join(wrong)
