"""What all tests share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from postgresql import Cluster, running_cluster  # noqa: E402 - found through the line above


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real laboratory data, which lies beside the checkout and is not part of it."""
    folder = Path(os.environ.get("ALIQUOT_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the folder of real laboratory data at {folder} (or ALIQUOT_SHARED_DATA)")
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
