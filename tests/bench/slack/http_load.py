"""Slash commands as Slack posts them, signed, over kept connections, and how long their acknowledgements take."""

import asyncio
import hashlib
import hmac
import os
import re
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import cast

import anyio

from tests.bench.slack.site import LoadStep, Taken


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """Where an app listens and what it is sent."""

    url: str
    secret: str
    text: str
    respond_at: str
    team: str
    user: str
    channel: str


class Commands:
    """An endless supply of commands, each with a trigger of its own."""

    def __init__(self, target: LoadTarget) -> None:
        self._target = target
        self._numbers: Iterator[int] = count()

    def request(self) -> bytes:
        """Return the bytes of one signed request."""
        target, number = self._target, next(self._numbers)
        body = urllib.parse.urlencode(
            {
                "team_id": target.team,
                "channel_id": target.channel,
                "user_id": target.user,
                "user_name": "alice",
                "command": "/vps",
                "text": target.text,
                "response_url": target.respond_at,
                "trigger_id": f"{number}.{os.getpid()}.{time.time_ns():x}",
            }
        ).encode()
        stamp = str(int(time.time()))
        mac = hmac.new(target.secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256)
        place = urllib.parse.urlsplit(target.url)
        lines = [
            f"POST {place.path} HTTP/1.1",
            f"Host: {place.netloc}",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
            f"X-Slack-Request-Timestamp: {stamp}",
            f"X-Slack-Signature: v0={mac.hexdigest()}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body


class _Line(asyncio.Protocol):
    """One kept connection; the load shares the machine with what it measures, so it does as little as it can."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._status: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def post(self, request: bytes) -> asyncio.Future[int]:
        """Send a request; the future holds the status once the whole answer is here."""
        if self._transport is None:
            raise ConnectionError("not connected")
        self._status = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._status

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, result, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if result and len(body) >= (int(length[1]) if length else 0) and self._status is not None:
            self._received = b""
            self._status.set_result(int(head.split(b" ", 2)[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._status is not None and not self._status.done():
            self._status.set_exception(exc or ConnectionError("closed"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def load(target: LoadTarget, step: LoadStep) -> Taken:
    """Send so many commands and time each; only this machine is ever sent anything."""
    place = urllib.parse.urlsplit(target.url)
    if place.hostname != "127.0.0.1" or place.port is None:
        raise ValueError("only an app on this machine is put under load")
    commands = Commands(target)
    await _send(place.port, commands, LoadStep(step.warm_up, min(step.connections, 8)))
    return await _send(place.port, commands, step)


async def _send(port: int, commands: Commands, step: LoadStep) -> Taken:
    taken, requests = Taken(), iter([commands.request() for _ in range(step.number)])

    async def connection() -> None:
        _, line = await asyncio.get_running_loop().create_connection(_Line, "127.0.0.1", port)
        try:
            for request in requests:
                begun = time.perf_counter()
                status = await line.post(request)
                taken.seconds.append(time.perf_counter() - begun)
                taken.statuses[status] += 1
        finally:
            line.close()

    begun = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(step.connections):
            group.start_soon(connection)
    taken.wall = time.perf_counter() - begun
    return taken
