"""`python -m hardpoint.executor.worker FD CONTROL` is a worker process, with two connected sockets."""

from __future__ import annotations

import sys

from hardpoint.executor.starting import imports_that_stay


def start() -> None:
    """Serve the engine at the other end of the sockets, then exit."""
    with imports_that_stay():
        from hardpoint.executor.worker.serve import main
    main(int(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    start()
