"""`python -m server`: listens on a free port of 127.0.0.1, prints it, and ends with its stdin."""

from __future__ import annotations

import logging
import sys
import threading
from importlib import import_module

from .service import application


def main() -> None:
    """Serve until the other end of stdin is closed."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = import_module("werkzeug.serving").make_server("127.0.0.1", 0, application(), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
