"""Listing a bucket in which some keys are nothing that a file could be called."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aliquot.intake.aws import client
from aliquot.intake.bucket_url import place_of
from aliquot.model.errors import Unavailable
from aliquot.model.finding import Finding, Severity

_ODD = {"", ".", ".."}


def list_around(
    url: str, settings: Mapping[str, str], error: Exception, tell: Callable[[Finding], None], after: str = ""
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """List on, `after` a key, where the object store's client refused to, and tell each key that cannot be taken in.

    For S3 alone. Other buckets, of which one key keeps the rest from being listed, are `Unavailable`.
    """
    scheme, bucket, prefix = place_of(url)
    if scheme != "s3":
        sentence = (
            f"{url} cannot be listed, since one of its objects has a name with an empty segment, '.' or '..' "
            f"({str(error).partition(chr(10))[0]}). Rename or delete that object."
        )
        raise Unavailable("source-key-odd", sentence, watch=url) from error
    endpoint = settings.get("aws_endpoint") or os.environ.get("AWS_ENDPOINT") or os.environ.get("AWS_ENDPOINT_URL")
    s3 = client("s3", settings, endpoint)
    below = f"{prefix}/" if prefix else ""
    since = {"StartAfter": below + after} if after else {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below, **since):
        yield [meta for each in page.get("Contents", ()) if (meta := _meta(each, len(below), tell)) is not None]


def _meta(each: Mapping[str, Any], start: int, tell: Callable[[Finding], None]) -> Mapping[str, Any] | None:
    key = str(each["Key"])[start:]
    if key.endswith("/") and each["Size"] == 0:
        return None
    if _ODD.intersection(key.split("/")):
        text = (
            "The object's name has an empty segment, '.' or '..', or ends in '/', so that no file can be called that. "
            "It is not taken in; give it another name."
        )
        tell(Finding("key-refused", text, Severity.WARNING, file=f"/{key}"))
        return None
    return {"path": key, "size": each["Size"], "last_modified": each["LastModified"], "e_tag": each["ETag"],
            "version": None}  # fmt: skip
