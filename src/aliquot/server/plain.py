"""Refusing what no database, no path and no name can hold."""

import json
from typing import Any, cast

from starlette.requests import Request

from aliquot.model.errors import Invalid


async def require_plain(request: Request, *, body: bool) -> None:
    """Refuse a NUL in an address, and with `body` one in the strings of a JSON body."""
    given = [request.url.path, *(text for pair in request.query_params.multi_items() for text in pair)]
    if any("\0" in text for text in given) or (body and await _in_body(request)):
        raise Invalid("request-refused", "The request holds a NUL character; nothing is called so. Leave it out.")


async def _in_body(request: Request) -> bool:
    said = await request.body()
    if b"\\u0000" not in said:
        return False
    try:
        return _holds(json.loads(said))
    except (ValueError, RecursionError):
        # What is no JSON is refused where it is read.
        return False


def _holds(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds(key) or _holds(each) for key, each in cast("dict[str, Any]", value).items())
    return isinstance(value, list) and any(_holds(each) for each in cast("list[Any]", value))
