"""Whether a file may become a blob as it lies there: nobody but the store may be able to change it."""

import fcntl
import os
import signal
from pathlib import Path


def is_ours_alone(handle: int, root: Path) -> bool:
    """Say whether a file that is open for reading belongs to whoever writes below `root`, and nobody can write to it.

    It has one name, on the same disk, and owner and group as a file that is made below `root`. The kernel lends a
    file only when nobody has it open for writing; where it lends none, as on shares, the answer is no.
    """
    found, folder = os.fstat(handle), root.stat()
    alike = (found.st_uid, found.st_gid, found.st_dev) == (os.geteuid(), folder.st_gid, folder.st_dev)
    return alike and found.st_nlink == 1 and _has_no_writer(handle)


def _has_no_writer(handle: int) -> bool:
    set_lease = getattr(fcntl, "F_SETLEASE", None)
    set_signal = getattr(fcntl, "F_SETSIG", None)
    if set_lease is None or set_signal is None:
        return False
    try:
        # Who opens it in between makes the kernel call us: by a signal that is not heard.
        fcntl.fcntl(handle, set_signal, signal.SIGURG)
        fcntl.fcntl(handle, set_lease, fcntl.F_RDLCK)
        fcntl.fcntl(handle, set_lease, fcntl.F_UNLCK)
    except OSError:
        return False
    return True
