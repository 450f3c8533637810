"""What a bucket's refusal means, and what to do about it."""

from typing import Literal

from aliquot.blobs.bucket_client import first_line, is_refusal, status_of
from aliquot.model.errors import Unavailable

_RIGHTS = {
    ("s3", "list"): "s3:ListBucket", ("s3", "read"): "s3:GetObject",
    ("az", "list"): "Storage Blob Data Reader", ("az", "read"): "Storage Blob Data Reader",
    ("gs", "list"): "storage.objects.list", ("gs", "read"): "storage.objects.get",
}  # fmt: skip


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
    if isinstance(error, FileNotFoundError) or status_of(error) == 404:
        sentence = f"There is no bucket at {url}; make it, or correct `watch`. Other sources go on meanwhile."
        return Unavailable("source-unavailable", sentence, watch=url)
    reason = first_line(error)
    sentence = f"{url} does not answer as it should ({reason}). It is tried again; other sources go on meanwhile."
    return Unavailable("source-unavailable", sentence, watch=url)
