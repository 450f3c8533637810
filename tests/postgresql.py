"""A private PostgreSQL cluster for tests: a temporary folder, a unix socket, no durability."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from services import require_service

USER = "aliquot"
_SETTINGS = {
    "listen_addresses": "",  # the socket alone: no port to race for
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


class Cluster:
    """A running cluster; every database of it goes when it ends."""

    def __init__(self, programs: Path, socket: Path) -> None:
        self._programs = programs
        self._socket = socket
        self._numbers = itertools.count(1)
        self._templates: set[str] = set()

    def url(self, database: str = "postgres") -> str:
        """Give the URL of one database, as libpq, psycopg, ADBC and (with `+psycopg`) SQLAlchemy read it."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self._socket))}"

    def create(self, template: str = "template0") -> str:
        """Create a database that nothing else uses and give its name."""
        name = f"test_{next(self._numbers)}"
        self._run("createdb", "--template", template, name)
        return name

    def drop(self, name: str) -> None:
        """Drop a database, ending whatever still holds a connection to it."""
        self._run("dropdb", "--force", "--if-exists", name)

    def template(self, name: str, prepare: Callable[[str], None]) -> str:
        """Build a database once, by `prepare(url)`, for `create(template=name)` to clone."""
        if name not in self._templates:
            self._run("createdb", "--template", "template0", name)
            prepare(self.url(name))
            self._templates.add(name)
        return name

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, "-h", self._socket, "-U", USER, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")


def programs() -> Path | None:
    """Find the folder of the newest installed server's programs."""
    found = sorted(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")),
        key=lambda folder: int(folder.parent.name.split(".")[0]),
    )
    if found:
        return found[-1]
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Start a cluster and stop it at the end, or skip where PostgreSQL is not installed."""
    folder = programs()
    require_service(folder is not None, "the Debian package postgresql")
    assert folder is not None
    home = Path(tempfile.mkdtemp(prefix="aliquot-pg-"))  # not tmp_path: a socket's path has at most 107 bytes
    try:
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(home, owner.pw_uid, owner.pw_gid)
        home.chmod(0o755)
        data = home / "data"
        _initialise(folder, data)
        server = _start(folder, data, home)
        try:
            _await_ready(folder, home, server)
            yield Cluster(folder, home)
        finally:
            server.send_signal(2)  # SIGINT: end at once, connections notwithstanding
            server.wait(timeout=60)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged() -> list[str]:
    """Give the prefix that runs a server as one who may: PostgreSQL refuses to run as root."""
    if not shutil.which("setpriv"):
        return []
    prefix = ["setpriv", "--pdeathsig", "INT"]  # a killed test run leaves no server behind
    if os.geteuid() == 0:
        prefix += ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    return [*prefix, "--"]


def _initialise(folder: Path, data: Path) -> None:
    command = [
        folder / "initdb",
        "-D",
        data,
        "-U",
        USER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]
    done = subprocess.run(
        [*_unprivileged(), *command], capture_output=True, text=True, check=False, timeout=120, cwd="/"
    )
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr}")


def _start(folder: Path, data: Path, home: Path) -> subprocess.Popen[bytes]:
    settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            [*_unprivileged(), folder / "postgres", "-D", data, "-k", home, *settings],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl+C is for the test run, which then ends the server itself
            cwd="/",
        )


def _await_ready(folder: Path, home: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while subprocess.run([folder / "pg_isready", "-q", "-h", home, "-U", USER], check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            raise RuntimeError(f"PostgreSQL did not start: {(home / 'log').read_text()}")
        time.sleep(0.05)
