"""A server that lists a bucket of so many objects, as S3's ListObjectsV2 does, and does nothing else.

    python benchmarks/listing_server.py COUNT      # prints its port

Servers for tests keep each object and sort all of them for each page, so that a million cannot be listed in a time
that says anything about who asks. Here a page is written from the numbers of its objects alone.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_PAGE = 1000
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Name>lab</Name><Prefix>{prefix}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys>"
    "<IsTruncated>{more}</IsTruncated>"
)
_OBJECT = (
    "<Contents><Key>{prefix}{folder:04}/{number:03}.csv</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    '<ETag>"{tag:032x}"</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>'
)


class _Listing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    count = 0

    def do_GET(self) -> None:
        """Answer with the page that the token names."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        first = int(asked.get("continuation-token", "0"))
        body = _page(asked.get("prefix", ""), first, self.count).encode()
        self.send_response(200)
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002  # the name of the base
        """Say nothing."""


def _page(prefix: str, first: int, count: int) -> str:
    after = min(first + _PAGE, count)
    more = after < count
    head = _HEAD.format(prefix=prefix, count=after - first, more=str(more).lower())
    objects = [
        _OBJECT.format(prefix=prefix, folder=number // 1000, number=number % 1000, tag=number)
        for number in range(first, after)
    ]
    token = f"<NextContinuationToken>{after}</NextContinuationToken>" if more else ""
    return head + "".join(objects) + token + "</ListBucketResult>"


if __name__ == "__main__":
    _Listing.count = int(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Listing)
    print(server.server_address[1], flush=True)
    server.serve_forever()
