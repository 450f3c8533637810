"""Queries of people on pages, each in a process of its own, which ends when it takes too long: no driver can be
interrupted otherwise.
"""

import json
import subprocess
import sys
import threading
from dataclasses import asdict

from aliquot.hub.hub import Hub
from aliquot.hub.query import Rows, query
from aliquot.model.errors import AliquotError, Invalid, Unavailable

MOST_SECONDS = 20.0
_AT_ONCE = 3
_places = threading.BoundedSemaphore(_AT_ONCE)


def query_apart(hub: Hub, sql: str, limit: int = 1000, seconds: float = MOST_SECONDS) -> Rows:
    """Run one SELECT as `query` does, for `seconds` at most; three run at once, and a fourth is `Unavailable`."""
    asked = json.dumps({"dialect": hub.dialect, "location": hub.location, "sql": sql, "limit": limit}).encode()
    if not _places.acquire(timeout=seconds):
        raise Unavailable("hub-busy", "Other queries are under way; try again when they have ended.", hub=hub.label)
    try:
        command = [sys.executable, "-m", "aliquot.hub.query_apart"]
        done = subprocess.run(command, input=asked, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        words = f"The query ran for more than {seconds:.0f} seconds and was ended; narrow it down."
        raise Invalid("query-too-long", words) from None
    finally:
        _places.release()
    if done.returncode != 0:
        raise Unavailable("query-ended", "The query's process ended without an answer; ask for less.")
    said = json.loads(done.stdout)
    if "code" in said:
        kind = Invalid if said["family"] == "invalid" else Unavailable
        raise kind(said["code"], said["message"])
    return Rows(tuple(said["columns"]), tuple(said["types"]), [tuple(row) for row in said["rows"]], said["truncated"])


def main() -> None:
    """Answer the question on standard input."""
    asked = json.load(sys.stdin)
    try:
        said = asdict(query(Hub(asked["dialect"], asked["location"]), asked["sql"], asked["limit"]))
    except AliquotError as error:
        said = error.document()
    json.dump(said, sys.stdout, default=str)


if __name__ == "__main__":
    main()
