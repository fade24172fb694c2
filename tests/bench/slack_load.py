"""Slash commands as Slack posts them, signed, over kept connections, and how long their acknowledgements take."""

import hashlib
import hmac
import os
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import anyio
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.bench.plan import share

DEADLINE: Final = 3.0  # Slack: an acknowledgement that comes later counts as a failure
LONGEST_LINE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Target:
    """Where an app listens and what it is sent."""

    url: str
    secret: str
    text: str
    respond_at: str
    team: str
    user: str
    channel: str


@dataclass(frozen=True, slots=True)
class Load:
    """How many commands over how many connections, after some that do not count."""

    number: int
    connections: int
    warm_up: int = 50


@dataclass(slots=True)
class Taken:
    """What came of a load: seconds each acknowledgement took, in any order, and the status codes."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wall: float = 0.0

    def milliseconds(self, part: float) -> float:
        """Return the time that a part of all acknowledgements did not exceed."""
        return share(self.seconds, part) * 1e3

    @property
    def per_second(self) -> float:
        """How many were acknowledged in a second."""
        return len(self.seconds) / self.wall

    @property
    def late(self) -> int:
        """How many came after Slack's deadline."""
        return sum(one > DEADLINE for one in self.seconds)


class Commands:
    """An endless supply of commands, each with a trigger of its own."""

    def __init__(self, target: Target) -> None:
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


async def load(target: Target, wanted: Load) -> Taken:
    """Send so many commands and time each; only this machine is ever sent anything."""
    place = urllib.parse.urlsplit(target.url)
    if place.hostname != "127.0.0.1" or place.port is None:
        raise ValueError("only an app on this machine is put under load")
    commands = Commands(target)
    await _send(place.port, commands, Load(wanted.warm_up, min(wanted.connections, 8)))
    return await _send(place.port, commands, wanted)


async def _send(port: int, commands: Commands, wanted: Load) -> Taken:
    taken, left = Taken(), iter(range(wanted.number))

    async def connection() -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            received = BufferedByteReceiveStream(stream)
            for _ in left:
                request = commands.request()
                begun = time.perf_counter()
                status = await _post(stream, received, request)
                taken.seconds.append(time.perf_counter() - begun)
                taken.statuses[status] += 1

    begun = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(wanted.connections):
            group.start_soon(connection)
    taken.wall = time.perf_counter() - begun
    return taken


async def _post(stream: ByteStream, received: BufferedByteReceiveStream, request: bytes) -> int:
    await stream.send(request)
    head = (await received.receive_until(b"\r\n\r\n", LONGEST_LINE)).decode("latin-1").split("\r\n")
    told = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    length = int(told.get("content-length", "0"))
    if length:
        await received.receive_exactly(length)
    return int(head[0].split(" ", 2)[1])
