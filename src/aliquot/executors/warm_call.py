"""The call of an attempt: what a warm worker is told to do, with the files that it needs."""

from collections.abc import Sequence
from pathlib import Path

from aliquot.blobs import Store
from aliquot.executors import warm_wire as wire
from aliquot.executors.attempt import Attempt
from aliquot.model.errors import AliquotError
from aliquot.model.task import TaskDocument, TaskFile

Call = bytes | AliquotError | OSError


def weight(document: TaskDocument) -> int | None:
    """Give the bytes of a datum's files; None when they are put into the folder, and not into the call."""
    total = 0
    for file in document.files:
        if file.path.startswith("in/"):
            size = file.blob.size
            total += size
            if size >= wire.SMALL:
                return None
    return None if total > wire.MOST else total


def calls_of(attempts: Sequence[Attempt], store: Store, folder: str) -> list[Call]:
    """Make the calls of attempts, with their files in them; gives for each the call, or why it cannot be made.

    Large files are put into the folder instead: their attempt has to be alone.
    """
    documents = [attempt.document for attempt in attempts]
    files = [[file for file in document.files if file.path.startswith("in/")] for document in documents]
    try:
        if weight(documents[0]) is None:
            return [_call(documents[0], [(file.path, -1) for file in _put(files[0], store, folder)], ())]
        contents = iter(store.read_all_checked([file.blob for few in files for file in few]))
        return [
            _call(document, [(file.path, file.blob.size) for file in few], [next(contents) for _ in few])
            for document, few in zip(documents, files, strict=True)
        ]
    except (AliquotError, OSError) as error:
        if len(attempts) == 1:
            return [error]
    # One of them cannot be read: it fails alone.
    return [call for attempt in attempts for call in calls_of([attempt], store, folder)]


def _put(files: Sequence[TaskFile], store: Store, folder: str) -> Sequence[TaskFile]:
    for file in files:
        target = Path(folder, file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        store.fetch(file.blob, target)
    return files


def _call(document: TaskDocument, listed: Sequence[tuple[str, int]], parts: Sequence[bytes]) -> bytes:
    call = document.python
    assert call is not None
    look = document.resources.disk is not None or bool(document.ensure)
    return wire.frame({"values": call.values, "inputs": call.inputs, "files": listed, "look": look}, parts)
