"""Azurite, which stands in for Azure's blobs and queues, on loopback."""

import hashlib
import hmac
import re
import shutil
import subprocess
import time
from base64 import b64decode, b64encode
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from services import require_service

_PROGRAM = Path(__file__).parent.parent / ".venv/azurite/node_modules/.bin/azurite"
_ACCOUNT = "devstoreaccount1"
_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # published by its maker
)
_VERSION = "2021-08-06"
_LISTENS = re.compile(r"(\w+) service is successfully listening at (\S+)")


class Azurite:
    """A server with one empty container."""

    container = "lab"

    def __init__(self) -> None:
        ports = [f"--{each}Port=0" for each in ("blob", "queue", "table")]
        command = [str(_PROGRAM), "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", *ports]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._server.stdout
        found: dict[str, str] = {}
        while len(found) < 3:
            line = self._server.stdout.readline()
            assert line, "azurite ended before it listened"
            if match := _LISTENS.search(line):
                found[match[1]] = match[2]
        self.blobs = f"{found['Blob']}/{_ACCOUNT}"
        self.queues = f"{found['Queue']}/{_ACCOUNT}"
        self.make(self.blobs, self.container, "restype:container")

    @property
    def settings(self) -> dict[str, str]:
        return {
            "azure_storage_account_name": _ACCOUNT,
            "azure_storage_account_key": _KEY,
            "azure_storage_endpoint": self.blobs,
        }

    @property
    def connection(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};QueueEndpoint={self.queues};"
            f"BlobEndpoint={self.blobs};"
        )

    def make_container(self, name: str) -> None:
        """Make one more container, or again one that was removed."""
        self.make(self.blobs, name, "restype:container")

    def remove_container(self, name: str) -> None:
        """Remove a container with all that is in it."""
        self.make(self.blobs, name, "restype:container", "DELETE")

    def make(self, service: str, name: str, query: str = "", verb: str = "PUT") -> None:
        """Make a container or a queue; or remove it (`DELETE`)."""
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        signed = f"{verb}\n{chr(10) * 11}x-ms-date:{date}\nx-ms-version:{_VERSION}\n/{_ACCOUNT}/{_ACCOUNT}/{name}"
        signed += f"\n{query}" if query else ""
        digest = hmac.new(b64decode(_KEY), signed.encode(), hashlib.sha256).digest()
        headers = {
            "x-ms-date": date, "x-ms-version": _VERSION, "Content-Length": "0",
            "Authorization": f"SharedKey {_ACCOUNT}:{b64encode(digest).decode()}",
        }  # fmt: skip
        url = f"{service}/{name}" + (f"?{query.replace(':', '=')}" if query else "")
        with urlopen(Request(url, method=verb, headers=headers)):
            pass

    def close(self) -> None:
        self._server.terminate()
        self._server.communicate()


@contextmanager
def azurite_of() -> Generator[Azurite]:
    """Serve a container."""
    require_service(_PROGRAM.exists() and bool(shutil.which("node")), "azurite (`.ci/run` installs it with npm)")
    server = Azurite()
    try:
        yield server
    finally:
        server.close()
