"""Whose turn it is to run a command, told exactly even when one who has a turn is killed at any moment."""

import fcntl
import os
import select
import struct
import termios
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

_PAUSE = 200
_NONE, _ONE = b"\0", b"x"


class Seat:
    """The place of one shepherd among those who take turns.

    `handles` are those of the pipe, to take from and to give to, and of the marks: a byte of shared memory for each
    seat that says whether it has a turn. Pipe and marks change together, under a lock that the kernel lets go of when
    its holder dies.
    """

    def __init__(self, handles: tuple[int, int, int], number: int) -> None:
        self._source, self._sink, self._marks = handles
        self._number = number

    def take(self) -> bool:
        """Take a turn if there is one."""
        fcntl.lockf(self._marks, fcntl.LOCK_EX)
        try:
            os.read(self._source, 1)
            os.pwrite(self._marks, _ONE, self._number)
        except BlockingIOError:
            return False
        finally:
            fcntl.lockf(self._marks, fcntl.LOCK_UN)
        return True

    def give(self) -> None:
        """Put the turn back."""
        fcntl.lockf(self._marks, fcntl.LOCK_EX)
        try:
            os.write(self._sink, b".")
            os.pwrite(self._marks, _NONE, self._number)
        finally:
            fcntl.lockf(self._marks, fcntl.LOCK_UN)


class Turns:
    """How many commands may run at once: as many bytes as are in a pipe that all shepherds of an executor share."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.handles = *os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK), os.memfd_create("aliquot-turns", os.MFD_CLOEXEC)
        # The kernel's lock keeps processes apart, this one the threads of ours.
        self._lock = threading.Lock()
        self._here = 0
        self._seats = 0
        os.write(self.handles[1], b"." * count)

    def seat(self) -> int:
        """Make a place for one more shepherd; gives its number."""
        with self._lock:
            number, self._seats = self._seats, self._seats + 1
            os.pwrite(self.handles[2], _NONE, number)
            return number

    def take(self) -> bool:
        """Take a turn for ourselves if there is one."""
        with self._lock, _locked(self.handles[2]):
            try:
                os.read(self.handles[0], 1)
            except BlockingIOError:
                return False
            self._here += 1
            return True

    @contextmanager
    def hold(self, count: int, abandoned: Callable[[], bool]) -> Generator[None]:
        """Hold several, for a wide command; comes through without them when the attempt is `abandoned`."""
        held = 0
        poll = select.poll()
        poll.register(self.handles[0], select.POLLIN)
        try:
            while held < count and not abandoned():
                if self.take():
                    held += 1
                else:
                    poll.poll(_PAUSE)
            yield
        finally:
            for _ in range(held):
                self.give()

    def give(self) -> None:
        """Put one back that we have taken ourselves."""
        with self._lock, _locked(self.handles[2]):
            os.write(self.handles[1], b".")
            self._here -= 1

    def recover(self, seat: int) -> None:
        """Put back what a shepherd had that is dead: all turns that nobody who lives has."""
        source, sink, marks = self.handles
        with self._lock, _locked(marks):
            os.pwrite(marks, _NONE, seat)
            taken = self._here + os.pread(marks, self._seats, 0).count(_ONE)
            os.write(sink, b"." * (self._count - taken - _waiting_in(source)))

    def close(self) -> None:
        """Close the pipe and the marks."""
        for handle in self.handles:
            os.close(handle)


@contextmanager
def _locked(handle: int) -> Generator[None]:
    fcntl.lockf(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(handle, fcntl.LOCK_UN)


def _waiting_in(pipe: int) -> int:
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    return int(count)
