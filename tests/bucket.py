"""An empty bucket of a real S3 server on loopback, with a gate before it that can be shut."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from services import require_service

_PYTHON = Path(sys.prefix) / "services" / "bin" / "python"
"""The server's packages do not go with all of ours: they have an environment of their own."""


class Bucket:
    """One empty bucket. While it is `shut`, the server answers 503 to everything."""

    name = "lab"

    def __init__(self, page: int = 1000) -> None:
        program = Path(__file__).parent / "s3_server.py"
        more = {"MOTO_S3_DEFAULT_MAX_KEYS": str(page)}
        self._server = subprocess.Popen([_PYTHON, program], stdout=subprocess.PIPE, text=True, env=os.environ | more)
        assert self._server.stdout
        self.endpoint = f"http://127.0.0.1:{self._server.stdout.readline().strip()}"
        self._ask(self.name, "PUT")

    @property
    def url(self) -> str:
        return f"s3://{self.name}/store"

    @property
    def settings(self) -> dict[str, str]:
        """Give what a client needs that is not to look into the environment."""
        return {
            "aws_endpoint": self.endpoint,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "aws_region": "us-east-1",
        }

    @property
    def refused(self) -> int:
        """Say how often the shut gate has refused something."""
        return int(self._ask("-/refused"))

    def shut(self) -> None:
        self._ask("-/shut", "PUT")

    def open(self) -> None:
        self._ask("-/open", "PUT")

    @contextmanager
    def refusing(self, how: str) -> Iterator[None]:
        """Refuse for a while: everything, as to `expired` credentials, to `list`, or to `read` what is secret."""
        self._ask(f"-/{how}", "PUT")
        try:
            yield
        finally:
            self.open()

    def seed(self, keys: Sequence[str]) -> None:
        """Put an object under each key, without asking for each; its content is its key."""
        data = "\n".join(keys).encode()
        with urlopen(Request(f"{self.endpoint}/-/seed/{self.name}", data=data, method="POST")):
            pass

    def make(self, name: str) -> None:
        """Make one more bucket, or again one that was removed."""
        self._ask(name, "PUT")

    def remove(self, name: str) -> None:
        """Remove an empty bucket."""
        self._ask(name, "DELETE")

    def keep_versions(self) -> None:
        """Let the bucket keep what is replaced or deleted."""
        body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        head = {"Content-Type": "application/xml"}
        with urlopen(Request(f"{self.endpoint}/{self.name}?versioning", data=body, headers=head, method="PUT")):
            pass

    def open_uploads(self) -> int:
        """Count the multipart uploads that were begun and neither ended nor given up."""
        return self._ask(f"{self.name}?uploads").count(b"<UploadId>")

    def close(self) -> None:
        self._server.terminate()
        self._server.communicate()

    def _ask(self, path: str, method: str = "GET") -> bytes:
        with urlopen(Request(f"{self.endpoint}/{path}", method=method)) as answer:  # our own server
            return answer.read()


@contextmanager
def bucket_of(monkeypatch: pytest.MonkeyPatch, page: int = 1000) -> Iterator[Bucket]:
    """Serve a bucket, with the environment that a lab on it has; its listings have so many keys on a page."""
    require_service(_PYTHON.exists(), "moto, for an S3 server (`make test` installs it)")
    bucket = Bucket(page)
    for name, value in {
        "AWS_ENDPOINT": bucket.endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        yield bucket
    finally:
        bucket.close()
