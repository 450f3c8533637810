"""JSON answers, with an ETag over what they say."""

import json
from dataclasses import is_dataclass
from functools import lru_cache
from typing import Any

from blake3 import blake3
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from aliquot import __version__


def json_answer(request: Request, found: Any, status: int = 200) -> Response:
    """Answer with a model as JSON; a client that has the very same already gets 304."""
    return tagged(request, json_bytes(found), "application/json", status)


def tagged(request: Request, body: bytes, kind: str, status: int = 200) -> Response:
    """Answer with bytes under an ETag of their content."""
    tag = f'"{blake3(body).hexdigest()[:32]}"'
    # For whoever may read the answer: a client of another version then knows why it does not understand.
    headers = {"etag": tag, "cache-control": "private, no-cache", "x-aliquot-version": __version__}
    if request.method == "GET" and status == 200 and tag in _tags(request):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers, kind)


def json_bytes(found: Any) -> bytes:
    """Write a model, or plain values, as JSON."""
    if is_dataclass(found) or hasattr(type(found), "model_fields"):
        return _adapter(type(found)).dump_json(found)
    return json.dumps(found, ensure_ascii=False).encode()


def plain_values(found: Any) -> Any:
    """Give a model as the plain values that its JSON has."""
    return json.loads(json_bytes(found))


@lru_cache(maxsize=500)
def _adapter(model: type) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def _tags(request: Request) -> list[str]:
    given = request.headers.get("if-none-match", "")
    return [each.strip().removeprefix("W/") for each in given.split(",")]
