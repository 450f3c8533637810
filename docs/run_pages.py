"""Run the commands of pages, and write what they print now into the pages: `python docs/run_pages.py PAGE…`."""

import sys
import tempfile
from pathlib import Path

from generators.sessions import refreshed


def main(pages: list[str]) -> int:
    """Refresh each page, beginning in an empty folder."""
    for name in pages:
        page = Path(name)
        with tempfile.TemporaryDirectory(prefix="aliquot-page-") as folder:
            before = page.read_text(encoding="utf-8")
            after = refreshed(before, Path(folder))
        if after != before:
            page.write_text(after, encoding="utf-8")
            sys.stdout.write(f"wrote {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
