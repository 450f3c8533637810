"""The most memory that a process has held, by its own account.

Not the highest of getrusage: that is handed down by the process that started it, which may have held more.
"""

import re
from pathlib import Path


def peak_mib(pid: int | str = "self") -> int:
    """Give the highest resident memory of a running process so far, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) >> 10
