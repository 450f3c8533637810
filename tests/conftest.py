"""What all tests share."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real laboratory data, which lies beside the checkout and is not part of it."""
    folder = Path(os.environ.get("ALIQUOT_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the folder of real laboratory data at {folder} (or ALIQUOT_SHARED_DATA)")
    return folder
