"""Many requests at once: connections first, then everybody writes at the same moment.

Knows HTTP/1.1 as a server of this project answers it, over TLS with a client certificate.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from typing import Any

from tests.servers import Identity, KeyServer

HANDSHAKES = 32  # at a time; the trial is about what comes after
SECONDS = 300.0  # shared machines are slow


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Reply:
    call: Call
    status: int
    body: dict[str, Any]


def at_once(servers: list[KeyServer], admin: Identity, calls: list[Call]) -> list[Reply]:
    """A connection for each call, spread over the servers; the replies in the calls' order."""
    return asyncio.run(asyncio.wait_for(_at_once(servers, admin, calls), SECONDS))


async def _at_once(servers: list[KeyServer], admin: Identity, calls: list[Call]) -> list[Reply]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(admin.cert, admin.key)
    few, go = asyncio.Semaphore(HANDSHAKES), asyncio.Event()
    connected = 0

    async def one(number: int, call: Call) -> Reply:
        nonlocal connected
        async with few:
            port = servers[number % len(servers)].port
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            # A connection that never asked anything is closed after 5 s, and the last handshake may come later.
            writer.write(b"GET /version HTTP/1.1\r\nHost: k\r\n\r\n")
            await reader.readuntil(b"}\n")
        connected += 1
        if connected == len(calls):
            go.set()
        await go.wait()
        writer.write(f"{call.method} {call.path} HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert head, f"no answer to {call}"
        return Reply(call, int(head.split()[1]), json.loads(body) if body.startswith(b"{") else {})

    return await asyncio.gather(*(one(number, call) for number, call in enumerate(calls)))
