"""The command line of the job service: prints its URL, then serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import sys

from hardpoint.plugin_api.testing.jobservice.ceiling import measure
from hardpoint.plugin_api.testing.jobservice.service import Service
from hardpoint.plugin_api.testing.jobservice.settings import Settings, add_flags, from_flags

BACKLOG = 65535


def main() -> None:
    """Serve, or measure how fast this machine serves."""
    parser = argparse.ArgumentParser(prog="python -m hardpoint.plugin_api.testing.jobservice")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    parser.add_argument("--ceiling", action="store_true", help="measure requests per second, then stop")
    add_flags(parser)
    flags = parser.parse_args()
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    if flags.ceiling:
        sys.stdout.writelines(f"{ceiling}\n" for ceiling in measure())
        return
    asyncio.run(serve(from_flags(flags), flags.host, flags.port, until_eof=flags.until_eof))


async def serve(settings: Settings, host: str, port: int, *, until_eof: bool) -> None:
    """Serve until SIGTERM or SIGINT, or until the parent that holds our standard input is gone."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    if until_eof:
        loop.add_reader(sys.stdin, lambda: stop.set() if not os.read(sys.stdin.fileno(), 1) else None)
    service = Service(settings, loop)
    server = await loop.create_server(service.connection, host, port, backlog=BACKLOG)
    sys.stdout.write(f"http://{host}:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


if __name__ == "__main__":
    main()
