"""An executor with a store of its own, as the executors' tests use it."""

import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from aliquot.blobs import Store, open_store
from aliquot.executors.command import OWNER_MARK
from aliquot.model.blob import Location
from aliquot.model.digest import Digest, digest_bytes
from aliquot.model.seams import Executor, Handle
from aliquot.model.task import Outcome, Resources, TaskDocument, TaskFile

IMAGE = f"localhost/aliquot-test-busybox:{os.getpid()}"
IMAGE_WITH_USER = f"localhost/aliquot-test-busybox-user:{os.getpid()}"
PROGRAMS = [
    "[",
    "awk",
    "cat",
    "chmod",
    "cp",
    "cut",
    "dd",
    "echo",
    "env",
    "false",
    "grep",
    "head",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mv",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "rm",
    "sed",
    "seq",
    "setsid",
    "sh",
    "sleep",
    "sort",
    "tail",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "wc",
    "yes",
]
DEADLINE = 60.0


class Place:
    """A store, an executor over it, and the few verbs that a test needs."""

    def __init__(self, root: Path, make: Callable[[Store, Path], Executor], image: str | None) -> None:
        self.store = open_store(str(root / "store"))
        self.work = root / "work"
        self.executor = make(self.store, self.work)
        self.image = image
        self._tasks = 0

    def document(
        self, command: str | tuple[str, ...], files: dict[str, bytes] | None = None, **more: Any
    ) -> TaskDocument:
        """Make a document for a new task; `files` are stored, and each input directory has a place in capitals."""
        self._tasks += 1
        given = files or {}
        places = {"OUT": "out", "BUNDLE": "bundle", "TASK": "task.json"}
        places |= {path.split("/")[1].upper(): path for path in given if path.startswith("in/")}
        more = {"environment": {}, "image": self.image, "task": self._tasks, "fence": 1} | more
        return TaskDocument(
            key=digest_bytes(str(self._tasks).encode()),
            name="step",
            command=command,
            store=self.store.url,
            places=places,
            files=tuple(TaskFile(path, self.keep(data)) for path, data in given.items()),
            **more,
        )

    def keep(self, data: bytes) -> Location:
        """Store bytes the way that most inputs lie: in a pack."""
        batch = self.store.batch()
        batch.add_bytes(data)
        return batch.flush()[0]

    def run(self, command: str | tuple[str, ...], files: dict[str, bytes] | None = None, **more: Any) -> Outcome:
        """Run a command to its end."""
        if "resources" in more and isinstance(more["resources"], dict):
            more["resources"] = Resources(**more["resources"])
        (handle,) = self.executor.submit([self.document(command, files, **more)])
        return self.outcome(handle)

    def outcome(self, handle: Handle) -> Outcome:
        """Wait for an attempt's outcome."""
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            (sighting,) = self.executor.look([handle])
            assert not sighting.lost
            if sighting.outcome:
                return sighting.outcome
            self.executor.wait(0.5)
        raise AssertionError(f"no outcome of {handle} within {DEADLINE} s")

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        until = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < until, "it did not come to be"
            self.executor.wait(0.01)

    def content(self, outcome: Outcome, path: str) -> bytes:
        """Give an output's bytes, found by the locations that the outcome names."""
        (output,) = [each for each in outcome.outputs if each.path == path]
        return self.bytes_of(outcome, output.digest)

    def bytes_of(self, outcome: Outcome, digest: Digest | None) -> bytes:
        """Give the bytes of a blob that the outcome names, and see that they are what their digest says."""
        (location,) = [each for each in outcome.locations if each.digest == digest]
        data = self.store.read(location)
        assert digest_bytes(data) == digest
        return data


def living(mark: str) -> list[int]:
    """List the living processes with this `NAME=value` in their environment."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            values = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in values:
            found.append(int(folder.name))
    return found


def living_of(handle: Handle) -> list[int]:
    """List the living processes that an executor's handle has left behind."""
    return living(f"{OWNER_MARK}={handle.split(':')[1]}")


def import_image(name: str, *changes: str) -> None:
    """Make an image of nothing but busybox, with the runtime that is here."""
    folder = BytesIO()
    busybox = shutil.which("busybox")
    assert busybox
    with tarfile.open(fileobj=folder, mode="w") as archive:
        archive.add(busybox, "bin/busybox")
        for program in PROGRAMS:
            link = tarfile.TarInfo(f"bin/{program}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    options = [f"--change={change}" for change in changes]
    subprocess.run(
        ["podman", "import", "--quiet", *options, "-", name],
        input=folder.getvalue(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
