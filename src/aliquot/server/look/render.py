"""Models to HTML: whole pages, the fragment that htmx asked for, and error pages."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from blake3 import blake3
from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from aliquot import __version__
from aliquot.access.by import By, nobody
from aliquot.datasets.provenance import provenance_words
from aliquot.lab import Lab
from aliquot.model.digest import PREFIX, short
from aliquot.model.errors import AliquotError
from aliquot.model.quantity import in_words
from aliquot.model.words import count, span
from aliquot.server.answers import tagged
from aliquot.server.cursor import write_cursor
from aliquot.server.look import plots
from aliquot.server.look.lineage_list import branches, leads_to
from aliquot.server.look.navigation import NAVIGATION, at

HERE = Path(__file__).parent
STATIC = HERE / "static"

_TITLES = {
    "missing": "Not found",
    "conflict": "Changed meanwhile",
    "unavailable": "Out of reach",
    "damaged": "Damaged",
    "fault": "Something went wrong",
}
_THEMES = ("light", "dark")


class Renderer:
    """The templates, and what all of them may use."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._templates = templates_of(HERE / "templates")
        self._templates.filters |= {"size": in_words, "span": span, "digest": _digest, "zulu": zulu, "json": _json}
        self._templates.filters |= {"origin": provenance_words, "quoted": quote, "cursor": write_cursor}
        self._templates.filters["last_lines"] = _last_lines
        shared: Any = self._templates.globals
        shared.update(
            count=count, span=span, size=in_words, fine=_fine, static=_Static(), address=address, version=__version__,
            plots=plots, branches=branches, leads_to=leads_to,
        )  # fmt: skip
        shared["ui"] = self._templates.get_template("ui.html").module
        shared["previews"] = self._templates.get_template("preview.html").module

    def page(self, request: Request, by: By, csrf: str, template: str, model: Any) -> Response:
        """Render a page; or of it only the block that is named like the element that htmx fills."""
        found = self._templates.get_template(template)
        target = request.headers.get("hx-target", "")
        values = self._values(request, by, csrf) | {"page": model}
        if "hx-request" in request.headers and target in found.blocks:
            context = found.new_context(values)
            html = "".join(found.blocks[target](context))
        else:
            html = found.render(values)
        response = tagged(request, html.encode(), "text/html")
        # One address gives both the page and parts of it.
        response.headers["vary"] = "HX-Request, HX-Target, Cookie"
        return response

    def html(self, request: Request, by: By, csrf: str, template: str, status: int = 200, **values: Any) -> Response:
        """Render a page that is no model's, such as a form that was refused."""
        found = self._templates.get_template(template)
        return HTMLResponse(found.render(self._values(request, by, csrf) | values), status)

    def error(
        self, request: Request, by: By | None, csrf: str, error: AliquotError, headers: Mapping[str, str]
    ) -> Response:
        """Render an error, as a page or as a fragment for htmx."""
        template = "error_part.html" if "hx-request" in request.headers else "error.html"
        title = {401: "Sign in first", 403: "Not allowed"}.get(
            error.http_status, _TITLES.get(error.family, "Not usable")
        )
        values = self._values(request, by or nobody(""), csrf) | {
            "title": title, "error": error, "request_id": request.scope.get("aliquot.request", ""),
        }  # fmt: skip
        return HTMLResponse(self._templates.get_template(template).render(values), error.http_status, dict(headers))

    def _values(self, request: Request, by: By, csrf: str) -> dict[str, Any]:
        theme, path = request.cookies.get("aliquot_theme", ""), request.url.path
        return {
            "by": by,
            "csrf": csrf,
            "lab_name": self._lab.config.lab,
            "theme": theme if theme in _THEMES else "",
            "navigation": [
                (each, at(each, request.url.path)) for each in NAVIGATION if by.projects(each.action) != frozenset()
            ],
            "path": path,
            "query": request.url.query,
        }


def templates_of(folder: Path) -> Environment:
    """Give the templates of a folder as they are now: one that is read later may be newer than the program."""
    return Environment(
        loader=DictLoader({each.name: each.read_text(encoding="utf-8") for each in folder.iterdir() if each.is_file()}),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class _Static:
    """Gives the address of a static file, with a part that changes with its content."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        if path not in self._known:
            self._known[path] = f"/static/{path}?v={blake3((STATIC / path).read_bytes()).hexdigest()[:12]}"
        return self._known[path]


def zulu(at: float) -> str:
    """Write a time as `<time datetime>` has it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def address(path: str, /, **query: Any) -> str:
    """Write an address with a query, leaving out what is empty."""
    said = urlencode({name: value for name, value in query.items() if value not in (None, "")})
    return f"{path}?{said}" if said else path


def _digest(text: str) -> str:
    return short(text) if text.startswith(PREFIX) else text


def _fine(seconds: float) -> str:
    """Write a span that may be short: `52 ms`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else span(seconds)


def _last_lines(text: str, most: int = 8) -> str:
    lines = text.rstrip("\n").split("\n")[-most:]
    return "\n".join(each if len(each) < 300 else f"{each[:300]}…" for each in lines)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
