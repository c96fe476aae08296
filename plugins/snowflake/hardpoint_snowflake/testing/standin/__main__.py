"""`python -m standin`: listens on a free port of 127.0.0.1, prints it, and ends with its stdin."""

from __future__ import annotations

import os
import socket
import sys
import threading

import uvicorn

from .service import make_app


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve until the other end of stdin is closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(make_app(), log_level="error", timeout_keep_alive=60)
    uvicorn.Server(config).run(sockets=[listener])


main()
