"""Files of a lab on a server from Python: copies of them, each proved by its digest."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from aliquot.lab.api_files import Checkout, Stored
from aliquot.remote.folders import Coming, write_file


def checkout_of(pieces: Callable[[Stored], Iterator[bytes]]) -> Checkout:
    """Make copies of files whose bytes `pieces` gives."""

    def fetch(file: Stored, target: Path) -> None:
        write_file(target, Coming(file.path, file.digest, lambda: pieces(file)))

    def read(file: Stored) -> bytes:
        with tempfile.TemporaryDirectory(prefix="aliquot-") as folder:
            path = Path(folder) / "file"
            fetch(file, path)
            return path.read_bytes()

    return Checkout(fetch, read)
