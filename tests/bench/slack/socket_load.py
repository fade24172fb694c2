"""Envelopes as Slack sends them by Socket Mode, and how long their acknowledgements take."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import aiohttp
import anyio
from aiohttp import web

from tests.bench.slack.site import CONFIG, LoadStep, Site, Taken

WAIT_SECONDS: Final = 60.0


@dataclass(slots=True, eq=False)
class EnvelopeSource:
    """The WebSocket that an app opened, and the envelopes on it that wait for their acknowledgements."""

    site: Site
    session: aiohttp.ClientSession
    url: str = ""
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    numbers: Iterator[int] = field(default_factory=count)
    socket: web.WebSocketResponse | None = None
    waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Open a line where an app asks for one; the simulated workspace answers all else."""
        method = request.match_info["method"]
        if method == "apps.connections.open":
            return web.json_response({"ok": True, "url": f"{self.url}/line"})
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        async with self.session.post(f"{self.site.api}{method}", data=await request.read(), headers=headers) as answer:
            return web.Response(body=await answer.read(), content_type=answer.content_type)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Greet an app and take its acknowledgements."""
        self.socket = socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": CONFIG.app_id}})
        self.opened.set()
        async for message in socket:
            acknowledged = self.waiting.pop(json.loads(message.data).get("envelope_id", ""), None)
            if acknowledged is not None:
                acknowledged.set_result(None)
        return socket

    def envelope(self, text: str) -> dict[str, Any]:
        """Return an envelope with a command."""
        trigger = f"{next(self.numbers)}.{os.getpid()}.{time.time_ns():x}"
        payload = {
            "team_id": CONFIG.team_id,
            "channel_id": "C0OPS",
            "user_id": "U0ALICE",
            "user_name": "alice",
            "command": "/vps",
            "text": text,
            "response_url": self.site.respond_at,
            "trigger_id": trigger,
        }
        return {"envelope_id": trigger, "type": "slash_commands", "accepts_response_payload": True, "payload": payload}

    async def deliver(self, text: str) -> None:
        """Send an envelope and wait for its acknowledgement."""
        if self.socket is None:
            raise ConnectionError("no app has opened a line")
        envelope = self.envelope(text)
        acknowledged = self.waiting[envelope["envelope_id"]] = asyncio.get_running_loop().create_future()
        await self.socket.send_json(envelope)
        await acknowledged


@asynccontextmanager
async def envelope_source(site: Site) -> AsyncIterator[EnvelopeSource]:
    """Serve a Web API whose apps open their lines here, until the block is left."""
    async with aiohttp.ClientSession() as session:
        line = EnvelopeSource(site, session)
        served = web.Application()
        served.add_routes([web.post("/api/{method}", line.answer), web.get("/line", line.serve)])
        runner = web.AppRunner(served, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            line.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield line
        finally:
            await runner.cleanup()


async def load(line: EnvelopeSource, text: str, step: LoadStep) -> Taken:
    """Send so many envelopes, of which at most `connections` wait for an acknowledgement, and time each."""
    with anyio.fail_after(WAIT_SECONDS):
        await line.opened.wait()
    await _send(line, text, LoadStep(step.warm_up, min(step.connections, 8)))
    return await _send(line, text, step)


async def _send(line: EnvelopeSource, text: str, step: LoadStep) -> Taken:
    taken, numbers = Taken(), iter(range(step.number))

    async def sender() -> None:
        for _ in numbers:
            begun = time.perf_counter()
            await line.deliver(text)
            taken.seconds.append(time.perf_counter() - begun)
            taken.statuses[200] += 1

    begun = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(step.connections):
            group.start_soon(sender)
    taken.wall = time.perf_counter() - begun
    return taken
