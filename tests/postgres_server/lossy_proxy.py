"""A way to a PostgreSQL server on which an answer can be lost."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from types import TracebackType


class LossyProxy:
    """Passes everything on, until it has to lose an answer: then that connection ends, for both sides.

    Args:
        port: Where the server listens on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._to_lose = b""
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, answer: str) -> None:
        """Lose the next answer to a statement of that kind, such as `COMMIT` or `INSERT 0 1`."""
        self._to_lose = answer.encode() + b"\0"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._server_port))
        with client, server, contextlib.suppress(OSError):
            while True:
                readable, _, _ = select.select([client, server], [], [])
                for each in readable:
                    data = each.recv(65536)
                    if not data or (each is server and self._is_lost(data)):
                        return
                    (client if each is server else server).sendall(data)

    def _is_lost(self, answer: bytes) -> bool:
        if not self._to_lose or self._to_lose not in answer:
            return False
        self._to_lose = b""
        self.lost += 1
        return True

    def __enter__(self) -> LossyProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing alone would leave the thread waiting in `accept`.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
