"""`python -m aliquot.executors.warm_worker module:function`: call one function for one datum after the other.

Its executor starts it in a folder of its own, with a socket as standard input, and puts calls into a file beside the
folder; each answer is appended to another file before the next call begins, so that what was done survives whatever
becomes of this process. It loads nothing that the function does not ask for.
"""

import ctypes
import importlib
import inspect
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aliquot.executors import warm_wire as wire
from aliquot.executors.warm_results import Results, ResultsRefused, remove
from aliquot.model.function import STEP_MARK

_PARENT_DEATH_SIGNAL = 1
_CHILD_SUBREAPER = 36
_WALL = 0x40000000
"""Of `waitid`: children of every kind."""
_MOST_CALLS = 20_000
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PARTS = ("in", "tmp", "bundle")


class Worker:
    """One function, the folder that it works in, and the channel to the executor."""

    def __init__(self, name: str, most_memory: int) -> None:
        self.folder = str(Path.cwd())
        self._control = socket.socket(fileno=os.dup(0))
        self._logs = (os.dup(1), os.dup(2))
        self._calls = os.open(f"../{wire.CALLS}", os.O_RDONLY)
        self._replies = os.open(f"../{wire.REPLIES}", os.O_WRONLY | os.O_APPEND)
        self._statm = os.open("/proc/self/statm", os.O_RDONLY)
        handle = os.open(f"../{wire.PAGE}", os.O_RDWR)
        self._page = wire.Page(handle)
        os.close(handle)
        nothing = os.open("/dev/null", os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._libc = ctypes.CDLL(None)
        self._libc.prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        self._inputs: set[str] = set()
        self._made = 0
        # The call that comes next in its turn, and where it begins in the file.
        self._index = self._start = 0
        self._function = load(name, self.folder)
        self._name = name
        self._parameters = inspect.signature(self._function).parameters
        self._takes_all = any(each.kind is each.VAR_KEYWORD for each in self._parameters.values())
        self._kinds = {each: _kind(parameter.annotation) for each, parameter in self._parameters.items()}
        self._results = Results(self.folder, wanted=self._takes_all or "out" in self._parameters)
        self._held = self._resident()
        self._most = self._held + most_memory

    def serve(self) -> None:
        """Make the calls of one turn after the other, or go on with one where it ended, until the executor is gone."""
        while (word := self._control.recv(1)) in {wire.GO, wire.ON}:
            if word == wire.GO:
                self._index = self._start = 0
            worn = self._turn()
            self._reply({"end": True, "worn": worn})
            self._control.send(wire.LOOK)
            if worn:
                return

    def _turn(self) -> bool:
        while self._index < self._page.until:
            first = self._start
            size = os.fstat(self._calls).st_size - first
            for header, body, end in wire.frames(os.pread(self._calls, size, first)):
                self._page.current = self._index
                if self._index >= self._page.until:
                    return False
                look = self._call(header, body)
                if look:
                    self._control.send(wire.LOOK)
                    if self._control.recv(1) != wire.ON:
                        sys.exit(0)
                self._index += 1
                self._start = first + end
                # What a process holds or has left behind is nobody's later: another one makes the next calls.
                if not self._clean() or self._worn():
                    return True
        return False

    def _call(self, header: dict[str, Any], body: memoryview) -> bool:
        """Make one call and write what came of it; says whether the executor has to look at the folder or the logs."""
        os.chdir(self.folder)
        reply: dict[str, Any] = {"error": None, "cause": "user", "started": time.time()}
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            value = self._function(**self._arguments(header, body))
            os.chdir(self.folder)
            self._results.take(value, look=header["look"])
        except ResultsRefused as error:
            reply["error"] = str(error)
        except BaseException as error:  # noqa: BLE001  # whatever a function raises ends its own datum alone
            reply |= self._explain(error)
        printed = self._flush()
        reply |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "rss": self._resident()}
        self._held = reply["rss"]
        reply["look"] = look = printed or self._results.look
        parts = []
        if not self._results.look and not reply["error"]:
            reply["exports"] = self._results.exports
            reply["files"] = [[path, len(data)] for path, data in self._results.files]
            parts = [data for _, data in self._results.files]
        self._reply(reply, parts)
        self._results.clear()
        return look

    def _arguments(self, header: dict[str, Any], body: memoryview) -> dict[str, Any]:
        inputs: dict[str, str] = header["inputs"]
        contents = _contents(header["files"], body)
        given: dict[str, Any] = dict(header["values"])
        out = self._results.open()
        if self._results.wanted:
            given["out"] = Path(out)
        for name, place in inputs.items():
            files = {path: data for path, data in contents.items() if path.startswith(f"in/{name}/")}
            kind = self._kinds.get(name, "path" if self._takes_all else None)
            if kind == "path":
                self._place(name, files)
                given[name] = Path(self.folder, place)
            elif kind == "bytes":
                if len(files) != 1:
                    words = f"the input {name!r} has {len(files)} files for this datum; annotate it with Path"
                    raise TypeError(words)
                given[name] = next(_read(path, data) for path, data in files.items())
            elif kind == "all":
                start = len(f"in/{name}")
                given[name] = {path[start:]: _read(path, data) for path, data in files.items()}
        return given if self._takes_all else {name: given[name] for name in self._parameters if name in given}

    def _place(self, name: str, files: dict[str, bytes | None]) -> None:
        """Write an input's files, save for those that the executor has put there already."""
        top = f"in/{name}"
        if name not in self._inputs:
            Path(top).mkdir(exist_ok=True)
            self._inputs.add(name)
        for path, data in files.items():
            if data is None:
                continue
            if path.rfind("/") > len(top):
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                os.write(handle, data)
            finally:
                os.close(handle)

    def _explain(self, error: BaseException) -> dict[str, Any]:
        """Print the traceback without our own part of it, and say in a sentence what was raised."""
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        self._restore()
        traceback.print_exception(type(error), error, trace, file=sys.__stderr__)
        name, last = type(error).__name__, str(error).strip().splitlines()
        what = f"{name}: {last[0][:500]}" if last else name
        cause = "oom" if isinstance(error, MemoryError) else "user"
        return {"error": f"The function {self._name} raised {what}", "cause": cause}

    def _flush(self) -> bool:
        """Bring out what was printed; says whether there is any."""
        self._restore()
        for stream in {sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__}:
            try:
                stream.flush()  # pyright: ignore[reportOptionalMemberAccess]  # a function may have put None there
            except (OSError, ValueError, AttributeError):
                continue
        self._libc.fflush(None)
        return any(os.fstat(each).st_size for each in self._logs)

    def _restore(self) -> None:
        """Let standard output and error be the logs again, wherever a function has led them."""
        for number, log in enumerate(self._logs, 1):
            os.dup2(log, number)

    def _clean(self) -> bool:
        """Empty the folder for the next call; says whether that was possible."""
        os.chdir(self.folder)
        try:
            self._results.clean()
            for name in os.listdir():  # noqa: PTH208  # for every datum
                if name not in _PARTS and not self._results.keeps(name):
                    remove(name)
            for name in os.listdir("tmp"):  # noqa: PTH208
                remove(f"tmp/{name}")
            for name in os.listdir("in"):  # noqa: PTH208
                if name not in self._inputs:
                    remove(f"in/{name}")
                    continue
                for inner in os.listdir(f"in/{name}"):  # noqa: PTH208
                    remove(f"in/{name}/{inner}")
        except OSError:
            return False
        return True

    def _worn(self) -> bool:
        self._made += 1
        grown = self._held > self._most and self._resident() > self._most
        return self._made >= _MOST_CALLS or grown or _has_children()

    def _resident(self) -> int:
        return int(os.pread(self._statm, 200, 0).split()[1]) * _PAGE

    def _reply(self, header: dict[str, Any], parts: list[bytes] | None = None) -> None:
        view = memoryview(wire.frame(header, parts or ()))
        while view:
            view = view[os.write(self._replies, view) :]


def load(name: str, folder: str) -> Callable[..., Any]:
    """Import a function's module from `bundle/`; its neighbours can be imported with and without their package."""
    module, _, attribute = name.partition(":")
    below = module.rpartition(".")[0].replace(".", "/")
    home = f"{folder}/bundle"
    sys.path[:0] = [home, f"{home}/{below}"] if below else [home]
    function = getattr(importlib.import_module(module), attribute)
    if not getattr(function, STEP_MARK, False):
        raise TypeError(f"{name} is no step; write @aliquot.step above it")
    return function


def _kind(annotation: Any) -> str:
    """Say how an input of this annotation is given: as a path, as bytes, or all files' bytes by path."""
    if annotation is bytes:
        return "bytes"
    written = annotation if isinstance(annotation, str) else str(annotation)
    written = written.strip("'\"").removesuffix(" | None")
    return {"bytes": "bytes", "dict[str, bytes]": "all"}.get(written, "path")


def _contents(files: list[tuple[str, int]], body: memoryview) -> dict[str, bytes | None]:
    """Cut the files out of a frame; None for one that lies in the folder already."""
    found: dict[str, bytes | None] = {}
    start = 0
    for path, size in files:
        if size < 0:
            found[path] = None
            continue
        found[path] = bytes(body[start : start + size])
        start += size
    return found


def _read(path: str, data: bytes | None) -> bytes:
    return Path(path).read_bytes() if data is None else data


def _has_children() -> bool:
    """Say whether the process has children, without reaping any."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT | _WALL)
    except ChildProcessError:
        return False
    return True


def main(arguments: list[str]) -> int:
    """Serve the function that is named, which may let the process grow by so many bytes."""
    name, most_memory = arguments
    replies = os.open(f"../{wire.REPLIES}", os.O_WRONLY | os.O_APPEND)
    try:
        worker = Worker(name, int(most_memory))
    except BaseException as error:  # noqa: BLE001  # whatever an import raises is told, not lost
        traceback.print_exc()
        sys.stderr.flush()
        words = str(error).strip().splitlines()
        what = f"{type(error).__name__}: {words[0][:500]}" if words else type(error).__name__
        os.write(replies, wire.frame({"broken": f"The module of {name} cannot be imported: {what}"}))
        return 1
    os.close(replies)
    worker.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
