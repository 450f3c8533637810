"""Starting a program without a fork: posix_spawn, with a working directory and a session of its own.

Python's `os.posix_spawn` knows no working directory and keeps other threads waiting until the program has started;
the C library's function does neither.
"""

import ctypes
import errno
import os
import signal
from collections.abc import Mapping, Sequence

from aliquot.model.errors import Unavailable

_SETSIGDEF = 0x04
_SETSIGMASK = 0x08
_SETSID = 0x400 if os.uname().sysname == "Darwin" else 0x80
# Larger than the C library's structures on any platform (glibc: 336 bytes).
_OPAQUE = 1024
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

_libc = ctypes.CDLL(None, use_errno=True)


class Spawner:
    """Starts programs in one folder, with standard output and error going to two open files.

    Standard input is empty, or `stdin`. What does not change from one program to the next is prepared once.
    """

    def __init__(self, folder: str, stdout: int, stderr: int, stdin: int | None = None) -> None:
        if not hasattr(_libc, "posix_spawn_file_actions_addchdir_np"):
            raise Unavailable(
                "spawn-missing",
                "This system's C library cannot start a program in a folder (posix_spawn_file_actions_addchdir_np); "
                "glibc 2.29, musl 1.1.24 and later can. Use the container executor here.",
            )
        self._actions = ctypes.create_string_buffer(_OPAQUE)
        self._attributes = ctypes.create_string_buffer(_OPAQUE)
        _check(_libc.posix_spawn_file_actions_init(self._actions))
        _check(_libc.posix_spawn_file_actions_addchdir_np(self._actions, os.fsencode(folder)))
        if stdin is None:
            _check(_libc.posix_spawn_file_actions_addopen(self._actions, 0, b"/dev/null", os.O_RDONLY, 0))
        else:
            _check(_libc.posix_spawn_file_actions_adddup2(self._actions, stdin, 0))
        _check(_libc.posix_spawn_file_actions_adddup2(self._actions, stdout, 1))
        _check(_libc.posix_spawn_file_actions_adddup2(self._actions, stderr, 2))
        _check(_libc.posix_spawnattr_init(self._attributes))
        flags = _SETSID | _SETSIGDEF | _SETSIGMASK
        _check(_libc.posix_spawnattr_setflags(self._attributes, ctypes.c_short(flags)))
        signals = ctypes.create_string_buffer(_OPAQUE)
        _libc.sigemptyset(signals)
        _check(_libc.posix_spawnattr_setsigmask(self._attributes, signals))
        for number in _DEFAULT_SIGNALS:
            _libc.sigaddset(signals, int(number))
        _check(_libc.posix_spawnattr_setsigdefault(self._attributes, signals))

    def spawn(self, program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
        """Start a program as the leader of a new session; gives its process id, or raises `OSError`."""
        argv = [argument.encode(errors="surrogateescape") for argument in arguments]
        envp = [f"{name}={value}".encode(errors="surrogateescape") for name, value in environment.items()]
        if any(b"\0" in argument for argument in argv):
            raise OSError(errno.EINVAL, "an argument holds a zero byte")
        pid = ctypes.c_int()
        _check(
            _libc.posix_spawn(
                ctypes.byref(pid),
                os.fsencode(program),
                self._actions,
                self._attributes,
                (ctypes.c_char_p * (len(argv) + 1))(*argv),
                (ctypes.c_char_p * (len(envp) + 1))(*envp),
            )
        )
        return pid.value

    def close(self) -> None:
        """Let go of what was prepared."""
        _libc.posix_spawn_file_actions_destroy(self._actions)
        _libc.posix_spawnattr_destroy(self._attributes)


def _check(code: int) -> None:
    if code:
        raise OSError(code, os.strerror(code))
