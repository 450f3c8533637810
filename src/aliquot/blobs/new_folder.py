"""A folder that gets all of its content at once, or none of it."""

import os
import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from aliquot.model.errors import AliquotError


@contextmanager
def new_folder(target: Path, taken: AliquotError) -> Generator[Path]:
    """Give a draft whose content becomes, at the end, that of a folder which is new or empty.

    A target that is there and no empty folder, or a link to one, raises `taken`, and so does one that somebody puts
    something into meanwhile. An empty folder stays the one that it is, since people stand in it and disks are mounted
    there: the draft's entries are moved into it one by one, and back out of it when one cannot be.
    """
    target = target.absolute()
    _require_free(target, taken)
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    there = target.exists()
    draft = (target if there and not _beside(target) else target.parent) / f".{target.name}.{uuid.uuid4().hex}.draft"
    try:
        draft.mkdir()
        yield draft
        _require_free(target, taken, but=draft)
        if there:
            _move_into(target, draft, taken)
        else:
            draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _beside(target: Path) -> bool:
    """Say whether what lies beside a folder can be moved into it."""
    parent = target.parent
    return parent.stat().st_dev == target.stat().st_dev and os.access(parent, os.W_OK)


def _require_free(target: Path, taken: AliquotError, but: Path | None = None) -> None:
    if not os.path.lexists(target):
        return
    if not target.is_dir() or any(each != but for each in target.iterdir()):
        raise taken


def _move_into(target: Path, draft: Path, taken: AliquotError) -> None:
    moved: list[Path] = []
    try:
        for each in sorted(draft.iterdir()):
            place = target / each.name
            if os.path.lexists(place):
                raise taken
            each.rename(place)
            moved.append(place)
    except BaseException:
        for place in moved:
            place.rename(draft / place.name)
        raise
