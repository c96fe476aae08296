"""How many requests per second the service answers here: a benchmark must stay well below it."""

from __future__ import annotations

import asyncio
import multiprocessing
import time

import msgspec

from hardpoint.plugin_api.testing.jobservice.service import Service
from hardpoint.plugin_api.testing.jobservice.settings import Settings

CONNECTIONS = 20


class Ceiling(msgspec.Struct, frozen=True):
    """What one kind of request reached, and what it would reach if the service had a core for itself."""

    verb: str
    requests: int
    per_s: float
    per_core_s: float

    def __str__(self) -> str:
        return f"{self.verb}: {self.per_s:,.0f}/s, {self.per_core_s:,.0f}/s of one core"


def measure(requests: int = 40_000) -> list[Ceiling]:
    """Creates and gets, from one client process with 20 connections."""
    return asyncio.run(_measure(requests))


async def _measure(requests: int) -> list[Ceiling]:
    loop = asyncio.get_running_loop()
    service = Service(Settings(), loop)
    server = await loop.create_server(service.connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = []
    for verb in ("POST", "GET"):
        client = multiprocessing.get_context("spawn").Process(
            target=_hammer, args=(port, verb, requests // CONNECTIONS)
        )
        before = service.requests_received
        client.start()
        while service.requests_received == before:
            await asyncio.sleep(0.001)
        core_s, wall_s = time.process_time(), time.perf_counter()
        while service.requests_received < before + requests and client.is_alive():
            await asyncio.sleep(0.01)
        core_s, wall_s = time.process_time() - core_s, time.perf_counter() - wall_s
        count = service.requests_received - before
        found.append(Ceiling(verb, count, count / wall_s, count / core_s))
        await loop.run_in_executor(None, client.join)
    server.close()
    return found


def _hammer(port: int, verb: str, requests_each: int) -> None:
    async def main() -> None:
        await asyncio.gather(*(_one_connection(port, verb, requests_each) for _ in range(CONNECTIONS)))

    asyncio.run(main())


async def _one_connection(port: int, verb: str, requests: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"duration_s":600,"label":"ceiling","output":{"result":1}}' if verb == "POST" else b""
    path = "/v1/jobs" if verb == "POST" else "/v1/jobs/j1"
    head = f"{verb} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(requests):
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in answer.split(b"\r\n") if line.startswith(b"Content-Length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
    writer.close()
    await writer.wait_closed()
