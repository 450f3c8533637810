"""A real server over a lab in a folder, on a free port, with clients that sign in."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from lab_folder import ALIQUOT, LabFolder

PASSWORD = "correct horse battery staple"


class RunningServer:
    """A started `aliquot serve` or `aliquot up`."""

    def __init__(self, lab: LabFolder, process: subprocess.Popen[bytes], log: Path) -> None:
        self.lab = lab
        self.process = process
        self._log = log
        # For people, or as a line of JSON.
        self.address = self._await(r'(?:(?:are|is) at |"address": ")(https?://[^\s"]+?)(?:\.\n|")')

    def first_link(self) -> str:
        """Give the link with which the first administrator sets a password."""
        return self._await(r"once: (\S+)")

    def client(self, name: str = "", password: str = PASSWORD) -> httpx.Client:
        """Give a client; with a name, one that has signed in."""
        client = httpx.Client(base_url=self.address, timeout=60)
        if name:
            page = client.get("/login")
            sent = {"name": name, "password": password, "csrf": form_word(page.text), "next": "/"}
            answer = client.post("/login", data=sent)
            assert answer.status_code == 303, answer.text
        return client

    def administrator(self) -> httpx.Client:
        """Let the first administrator set a password; gives their client."""
        client = httpx.Client(base_url=self.address, timeout=60)
        link = self.first_link()
        sent = {"password": PASSWORD, "again": PASSWORD, "csrf": form_word(client.get(link).text)}
        assert client.post(link, data=sent).status_code == 303
        return client

    def stop(self) -> int:
        """Stop it as a service would, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def log(self) -> str:
        """Give what it has said."""
        return self._log.read_text()

    def _await(self, pattern: str) -> str:
        deadline = time.monotonic() + 90
        while not (found := re.search(pattern, self.log())):
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        return found[1]


@contextmanager
def running_server(lab: LabFolder, *words: str) -> Iterator[RunningServer]:
    """Start `aliquot serve`, or the command of `words`, and stop it at the end."""
    log = lab.folder / f"server-{time.monotonic_ns()}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [ALIQUOT, *(words or ("serve",))], cwd=lab.folder, env=lab.environment, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield RunningServer(lab, process, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def form_word(html: str) -> str:
    """Give the word that a page's forms carry."""
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found, html
    return found[1]
