"""Container images: what a name means now, and having the image here."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from aliquot.executors.refusals import image_refused
from aliquot.model.errors import Unavailable

_BY_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
_PULL_SECONDS = 3600.0
_ASK_SECONDS = 60.0
_RUNTIMES = ("podman", "docker")

OWNER_LABEL = "aliquot.owner"
"""The label of every container that an executor starts."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is here: its digest, by which others can have the same, and the name that runs exactly it."""

    digest: str
    reference: str


class Runtime:
    """The podman or docker command."""

    def __init__(self, name: str | None) -> None:
        for candidate in (name,) if name else _RUNTIMES:
            if program := shutil.which(candidate):
                self.name, self.program = candidate, program
                break
        else:
            wanted = name or "podman or docker"
            raise Unavailable(
                "container-runtime-missing",
                f"{wanted} was not found; install it (Debian: apt install podman), or set executor: process.",
            )
        self._images: dict[str, Image] = {}
        # One for each image: who waits for a large one holds up nobody who wants another.
        self._locks: dict[str, threading.Lock] = {}

    def ask(self, *arguments: str, seconds: float = _ASK_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run the command to its end and give what it printed; a code other than 0 is for the caller to judge."""
        try:
            return subprocess.run(
                [self.program, *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(arguments, 124, "", f"{self.name} did not answer in {seconds:g} s")

    def identity(self, image: str) -> str:
        """Give an image's digest; a tag is looked up anew, and the image is pulled when it is not here."""
        if match := _BY_DIGEST.search(image):
            return match[1]
        with self._lock_of(image):
            self._images.pop(image, None)
        return self.image(image).digest

    def image(self, name: str) -> Image:
        """Give an image, pulled when it is not here; a tag means what it meant when its identity was last asked for.

        What `image_refused` gives is raised when it cannot be had.
        """
        with self._lock_of(name):
            found = self._images.get(name) or self._inspect(name)
            if found is None:
                pulled = self.ask("pull", "--quiet", name, seconds=_PULL_SECONDS)
                found = self._inspect(name)
                if found is None:
                    raise image_refused(name, last_line(pulled.stderr))
            self._images[name] = found
            return found

    def _lock_of(self, image: str) -> threading.Lock:
        return self._locks.setdefault(image, threading.Lock())

    def inspect_container(self, name: str) -> dict[str, object] | None:
        """Give the runtime's record of how a container stands, None when there is none."""
        answer = self.ask("inspect", "--type", "container", "--format", "{{json .State}}", name)
        try:
            state = json.loads(answer.stdout)
        except ValueError:
            return None
        return state if answer.returncode == 0 and isinstance(state, dict) else None

    def remove_containers(self, *names: str) -> None:
        """Remove containers at once, whatever they do."""
        self.ask(*self.removal(*names))

    def removal(self, *names: str) -> tuple[str, ...]:
        """Give the arguments that remove containers at once."""
        # podman asks politely first and waits ten seconds; docker does not, and knows no such option.
        at_once = ("--time=0",) if self.name == "podman" else ()
        return ("rm", "--force", "--volumes", *at_once, *names)

    def user_options(self) -> Sequence[str]:
        """Give the options with which what a container writes belongs to the user that we are."""
        if os.geteuid() == 0:
            return ()
        # Without root, podman's containers call us root; docker's know our number.
        return ("--user=0:0",) if self.name == "podman" else (f"--user={os.getuid()}:{os.getgid()}",)

    def _inspect(self, name: str) -> Image | None:
        answer = self.ask("image", "inspect", name)
        if answer.returncode != 0:
            return None
        (facts,) = json.loads(answer.stdout)
        digest = match[1] if (match := _BY_DIGEST.search(name)) else facts.get("Digest")
        if not digest:
            named = [found[1] for each in facts.get("RepoDigests") or [] if (found := _BY_DIGEST.search(each))]
            digest = named[0] if named else facts["Id"]
        return Image(digest, facts["Id"])


def last_line(text: str) -> str:
    """Give the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "no reason was given"
