"""What the API is: its OpenAPI document, and a page made of it."""

import json
from dataclasses import dataclass
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from aliquot.server.answers import tagged
from aliquot.server.registered import JSON, Said
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit, Visit

routes = Routes()


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API: what it takes and gives, with examples as JSON text."""

    method: str
    path: str
    summary: str
    description: str
    action: str
    parameters: list[dict[str, Any]]
    body: str
    statuses: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ApiPage:
    """The API by what its operations are about."""

    groups: dict[str, list[Operation]]


@routes.raw("GET", "/api/v1/openapi.json", action="home.read", media=JSON)
def openapi(visit: AVisit) -> Response:
    """Give the OpenAPI document."""
    return tagged(visit.request, json.dumps(document(visit)).encode(), "application/json")


@routes.page("/api/docs", template="api.html", action="home.read", twin="/api/docs.json")
def describe(visit: AVisit) -> ApiPage:
    """Show what the API takes and gives."""
    said, groups = document(visit), dict[str, list[Operation]]()
    for path, methods in said["paths"].items():
        for method, each in methods.items():
            groups.setdefault(path.split("/")[3], []).append(_operation(said, method, path, each))
    return ApiPage(groups)


def document(visit: Visit) -> dict[str, Any]:
    """Make the OpenAPI document of the API's routes."""
    app = visit.request.app
    said: dict[str, Any] = get_openapi(
        title="Aliquot", version=app.version, routes=app.routes, description=app.description,
        servers=[{"url": visit.site.settings.url or "/"}],
    )  # fmt: skip
    said.setdefault("components", {})["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "Made with `aliquot token create`."},
        "session": {"type": "apiKey", "in": "cookie", "name": "aliquot_session"},
    }
    said["security"] = [{"token": []}, {"session": []}]
    # The document leaves out which values of a path may have slashes in them.
    routes_by = {(each.method.lower(), each.path.replace(":path}", "}")): each for each in visit.site.registered}
    for path, methods in said["paths"].items():
        for method, each in methods.items():
            route = routes_by[method, path]
            each["x-aliquot-action"] = route.action
            _describe_answers(each["responses"], route.said)
            if route.said.makes:
                each.setdefault("parameters", []).append(_KEY)
    return said


def _describe_answers(answers: dict[str, Any], said: Said) -> None:
    for status, each in answers.items():
        if int(status) >= 400 and JSON in each.get("content", {}):
            each["content"] = {"application/problem+json": each["content"][JSON]}
    done = answers[str(said.status)]
    if not said.media:
        done.pop("content", None)
    elif said.media != JSON:
        content: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
        done["content"] = {said.media: content | ({"example": said.example} if said.example else {})}


_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 200},
    "description": "Names the request: sent again with the same key, it makes nothing again.",
}  # fmt: skip


def _operation(said: dict[str, Any], method: str, path: str, each: dict[str, Any]) -> Operation:
    schema = each.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    examples = said["components"].get("schemas", {}).get(name, {}).get("examples", [])
    statuses = [(code, str(found.get("description", ""))) for code, found in each["responses"].items()]
    return Operation(
        method.upper(), path, each.get("summary", ""), each.get("description", ""), each["x-aliquot-action"],
        each.get("parameters", []), json.dumps(examples[0], indent=2) if examples else "", statuses,
    )  # fmt: skip
