"""What becomes of an object in its bucket once its bytes are safe."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Literal

import obstore
from obstore.store import ObjectStore

from aliquot.intake.bucket_fetch import version_of
from aliquot.intake.dispose import ARCHIVE, not_cleared
from aliquot.intake.scan import File
from aliquot.model.finding import Finding

AT_ONCE = 16
_COPIED_AT_ONCE = 5 * 10**9
_PART = 64 * 2**20


def clear(objects: ObjectStore, after: Literal["archive", "delete"], files: Sequence[File]) -> list[Finding]:
    """Archive or delete objects, and say where that failed, which loses nothing.

    An object that has changed since stays: it is a new arrival. No bucket can look and delete in one: one that is
    replaced in the few milliseconds between is lost, unless the bucket keeps versions.
    """
    day = datetime.now(UTC).strftime("%Y-%m-%d")

    def one(file: File) -> Finding | None:
        key = file.path[1:]
        try:
            if after == "archive" and _is_same(objects, file):
                _copy(objects, file, _free(objects, f"{ARCHIVE}/{day}/{key}"))
            if _is_same(objects, file):
                obstore.delete(objects, key)
        except FileNotFoundError:
            return None
        except (OSError, obstore.exceptions.BaseError) as error:
            return not_cleared(after, str(error).partition("\n")[0], file.path)
        return None

    with ThreadPoolExecutor(AT_ONCE, "clear") as pool:
        return [finding for finding in pool.map(one, files) if finding]


def _is_same(objects: ObjectStore, file: File) -> bool:
    now = obstore.head(objects, file.path[1:])
    return now["size"] == file.size and file.version in {version_of(now), ""}


def _free(objects: ObjectStore, key: str) -> str:
    stem, dot, ending = key.rpartition(".")
    number, name = 1, key
    while _is_there(objects, name):
        number += 1
        name = f"{stem}.{number}.{ending}" if dot and "/" not in ending else f"{key}.{number}"
    return name


def _is_there(objects: ObjectStore, key: str) -> bool:
    try:
        obstore.head(objects, key)
    except FileNotFoundError:
        return False
    return True


def _copy(objects: ObjectStore, file: File, target: str) -> None:
    key = file.path[1:]
    if file.size < _COPIED_AT_ONCE:
        obstore.copy(objects, key, target)
    else:
        # What is larger no bucket copies at once.
        part = max(_PART, -(-file.size // 9_000))
        obstore.put(objects, target, obstore.get(objects, key).stream(min_chunk_size=2**20), chunk_size=part)
