"""What a bucket's refusal means, and what to do about it."""

import re
from typing import Literal

import obstore

from aliquot.model.errors import Unavailable

_RIGHTS = {
    ("s3", "list"): "s3:ListBucket", ("s3", "read"): "s3:GetObject",
    ("az", "list"): "Storage Blob Data Reader", ("az", "read"): "Storage Blob Data Reader",
    ("gs", "list"): "storage.objects.list", ("gs", "read"): "storage.objects.get",
}  # fmt: skip

_STATUS = re.compile(r"status code:?\s*(\d{3})")
_EXPIRED = re.compile(r"Expired ?Token|InvalidToken|token (?:has|is) expired", re.IGNORECASE)


def is_refusal(error: BaseException) -> bool:
    """Say whether a bucket has refused for want of a right."""
    refused = obstore.exceptions.PermissionDeniedError | obstore.exceptions.UnauthenticatedError | PermissionError
    return isinstance(error, refused) or _status(error) in {401, 403} or _EXPIRED.search(str(error)) is not None


def _status(error: BaseException) -> int | None:
    """Give the status of an answer to a listing, which the client tells in words alone."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


def out_of_reach(url: str, error: BaseException, what: Literal["list", "read"]) -> Unavailable:
    """Give the error for a bucket that could not be listed or read."""
    scheme = url.partition(":")[0]
    if is_refusal(error):
        right = _RIGHTS.get((scheme, what), f"the right to {what}")
        sentence = (
            f"{url} refuses to be {'listed' if what == 'list' else 'read'}: the credentials have expired or lack "
            f"{right}. Renew them or grant it. Other sources go on meanwhile."
        )
        return Unavailable("source-refused", sentence, watch=url)
    if isinstance(error, FileNotFoundError) or _status(error) == 404:
        sentence = f"There is no bucket at {url}; make it, or correct `watch`. Other sources go on meanwhile."
        return Unavailable("source-unavailable", sentence, watch=url)
    reason = str(error).partition("\n")[0]
    sentence = f"{url} does not answer as it should ({reason}). It is tried again; other sources go on meanwhile."
    return Unavailable("source-unavailable", sentence, watch=url)
