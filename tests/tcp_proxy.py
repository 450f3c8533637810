"""A small proxy in front of a server, which can be cut or hung for a while."""

import selectors
import socket
import threading
from contextlib import suppress
from pathlib import Path

_PIECE = 64 * 1024


class Proxy:
    """Listens on a port of loopback and carries every connection to a server's unix socket, or to its port.

    While it is `cut`, connections break and new ones are refused; while it `hangs`, nothing is carried either way and
    nobody is told.
    """

    def __init__(self, upstream: Path | int) -> None:
        self._upstream = upstream
        self._listener: socket.socket | None = None
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._closed = False
        self.port = 0
        self.open()

    def open(self) -> None:
        """Take connections, on the same port as before."""
        self._flowing.set()
        with self._lock:
            if self._listener is not None or self._closed:
                return
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen(64)
            self.port = listener.getsockname()[1]
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="proxy", daemon=True).start()

    def cut(self) -> None:
        """Break every connection and refuse new ones until `open`."""
        with self._lock:
            listener, self._listener = self._listener, None
            broken = list(self._pairs)
        if listener:
            # Closing alone would leave a thread in `accept` with the port still open.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for each in broken:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def hang(self) -> None:
        """Carry nothing until `open`; connections stay."""
        self._flowing.clear()

    def close(self) -> None:
        """End for good."""
        self._closed = True
        self._flowing.set()
        self.cut()

    def _accept(self, listener: socket.socket) -> None:  # by a thread
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            by_port = isinstance(self._upstream, int)
            server = socket.socket(socket.AF_INET if by_port else socket.AF_UNIX)
            try:
                server.connect(("127.0.0.1", self._upstream) if by_port else str(self._upstream))
            except OSError:
                client.close()
                server.close()
                continue
            with self._lock:
                self._pairs |= {client: server, server: client}
            threading.Thread(target=self._carry, args=(client, server), name="proxied", daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:  # by a thread
        try:
            with selectors.DefaultSelector() as ready, client, server, suppress(OSError):
                ready.register(client, selectors.EVENT_READ, server)
                ready.register(server, selectors.EVENT_READ, client)
                while self._carry_ready(ready):
                    pass
        finally:
            with self._lock:
                self._pairs.pop(client, None)
                self._pairs.pop(server, None)

    def _carry_ready(self, ready: selectors.BaseSelector) -> bool:
        for key, _ in ready.select():
            source, target = key.fileobj, key.data
            assert isinstance(source, socket.socket)
            data = source.recv(_PIECE)
            self._flowing.wait()
            if not data:
                return False
            target.sendall(data)
        return True
