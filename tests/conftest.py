"""What all tests share."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from aliquot.blobs import Store, open_store  # noqa: E402
from aliquot.db import Catalogue, open_catalogue  # noqa: E402
from executor_place import IMAGE, IMAGE_WITH_USER, import_image  # noqa: E402 - found through the line above
from postgresql import Cluster, running_cluster  # noqa: E402
from services import require_service  # noqa: E402


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their number: compressed ones hold the time, and each test worker would name them differently."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real laboratory data, which lies beside the checkout and is not part of it."""
    named = os.environ.get("ALIQUOT_SHARED_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        # Whoever names a folder wants these tests; without, the data is nothing that a machine could install.
        end = pytest.fail if named else pytest.skip
        end(f"needs the folder of real laboratory data at {folder}; name yours by ALIQUOT_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[Cluster]:
    """Give a private PostgreSQL cluster, one for each test worker."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgresql_url(postgresql_cluster: Cluster) -> str:
    """Give the URL of that cluster's maintenance database; `postgresql_database` is what tests write to."""
    return postgresql_cluster.url()


@pytest.fixture
def postgresql_database(postgresql_cluster: Cluster) -> Iterator[str]:
    """Give the URL of a fresh, empty database that this test alone uses."""
    name = postgresql_cluster.create()
    yield postgresql_cluster.url(name)
    postgresql_cluster.drop(name)


@pytest.fixture(scope="session")
def _empty_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a SQLite catalogue with no rows, to copy."""
    path = tmp_path_factory.mktemp("catalogue") / "empty.db"
    catalogue = open_catalogue(f"sqlite:///{path}")
    with catalogue.engine.connect() as connection:
        connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[attr-defined]
    catalogue.close()
    return path


@pytest.fixture
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    """Give an empty catalogue: SQLite, or PostgreSQL when the test is parametrised so."""
    if getattr(request, "param", "sqlite") == "postgresql":
        opened = open_catalogue(request.getfixturevalue("postgresql_database"))
    else:
        path = tmp_path / "catalogue.db"
        shutil.copyfile(request.getfixturevalue("_empty_catalogue"), path)
        opened = open_catalogue(f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give an empty store in a folder."""
    opened = open_store(str(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def images() -> Iterator[None]:
    """Have the images that containers of tests run, one set for each test worker."""
    require_service(shutil.which("podman") is not None, "podman (Debian)")
    require_service(shutil.which("busybox") is not None, "busybox-static (Debian)")
    import_image(IMAGE)
    import_image(IMAGE_WITH_USER, "USER 1234")
    tried = subprocess.run(
        ["podman", "run", "--rm", "--network=none", IMAGE, "/bin/true"], capture_output=True, text=True, check=False
    )
    require_service(tried.returncode == 0, f"podman that can run a container here ({tried.stderr.strip()})")
    yield
    subprocess.run(["podman", "rmi", "--force", IMAGE, IMAGE_WITH_USER], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 8 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True, check=False
    )
    require_service(mounted.returncode == 0, "the right to mount a small file system (root)")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)
