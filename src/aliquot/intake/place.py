"""Where a source's files are: a folder or a bucket."""

from pathlib import Path
from urllib.parse import unquote, urlparse

from aliquot.intake.bucket import Bucket
from aliquot.intake.bucket_url import is_bucket
from aliquot.intake.folder import Folder
from aliquot.intake.spool import SPOOL
from aliquot.model.errors import Invalid
from aliquot.model.lab_config import Source

Place = Folder | Bucket


def place_of(source: Source, lab: Path) -> Place:
    """Give the folder or bucket that a source watches; relative folders start at the lab's."""
    if is_bucket(source.watch):
        return Bucket(source.watch, source.settings, lab / SPOOL)
    folder = folder_of(source, lab)
    if folder is None:
        known = "a folder, s3://, az:// or gs://"
        raise Invalid("source-not-a-folder", f"{source.watch} cannot be watched; give {known}.", watch=source.watch)
    return Folder(folder)


def folder_of(source: Source, lab: Path) -> Path | None:
    """Give the folder that a source watches; None when it is none."""
    parts = urlparse(source.watch)
    if parts.scheme not in {"", "file"}:
        return None
    return lab / (unquote(parts.path) if parts.scheme else source.watch)
