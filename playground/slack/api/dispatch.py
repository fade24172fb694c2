"""Delivering what people did: the right line, repetitions on request, Slack's own retries."""

from dataclasses import dataclass
from typing import Literal, TypedDict

import anyio
from anyio.abc import TaskGroup

from vpsops.core.common.clock import Clock
from vpsops.playground.slack.api.change_notifier import ChangeNotifier
from vpsops.playground.slack.api.socket_mode import SocketLine
from vpsops.playground.slack.api.transports import Envelope, HttpLine, Kind, SlackTransport
from vpsops.playground.slack.workspace.log import Attempt, Delivery
from vpsops.playground.slack.workspace.protocol import Json

EVENT_RETRIES = (0.0, 60.0, 300.0)
SOCKET_RETRIES = (0.0,)
REASONS = {"operation_timeout": "http_timeout", "dispatch_failed": "connection_failed"}


class Sending(TypedDict, total=False):
    """Options of an action and its delivery: the block, more copies, all at once or in turn, and the transport."""

    block: str
    duplicates: int
    at_once: bool
    transport: Literal["http", "socket"] | None


@dataclass(slots=True)
class Dispatcher:
    """Sends deliveries and keeps them."""

    http: HttpLine
    socket: SocketLine
    clock: Clock
    background: TaskGroup
    changes: ChangeNotifier
    retries: bool = True

    async def send(self, delivery: Delivery, envelope: Envelope, how: Sending) -> Delivery:
        """Deliver, with the requested copies; failures are retried in the background as Slack does."""
        line = self._line(how)
        copies = [envelope.again(number) for number in range(how.get("duplicates", 0) + 1)]
        if how.get("at_once"):
            async with anyio.create_task_group() as tasks:
                for copy in copies:
                    tasks.start_soon(self._try, line, delivery, copy)
        else:
            for copy in copies:
                await self._try(line, delivery, copy)
        if self.retries and delivery.acked is None and self._delays(line, envelope.kind):
            self.background.start_soon(self._retry, line, delivery, envelope)
        return delivery

    async def _try(self, line: SlackTransport, delivery: Delivery, envelope: Envelope) -> Attempt:
        attempt = await line.send(envelope)
        delivery.attempts.append(attempt)
        self.changes.ring()
        return attempt

    async def _retry(self, line: SlackTransport, delivery: Delivery, envelope: Envelope) -> None:
        last = delivery.attempts[-1]
        for number, delay in enumerate(self._delays(line, envelope.kind), start=1):
            if last.ok or last.no_retry:
                return
            await self.clock.sleep(delay)
            last = await self._try(line, delivery, envelope.again(number, REASONS.get(last.error or "", "http_error")))

    def _delays(self, line: SlackTransport, kind: Kind) -> tuple[float, ...]:
        if kind == "events_api":
            return EVENT_RETRIES
        return SOCKET_RETRIES if line is self.socket else ()

    def _line(self, how: Sending) -> SlackTransport:
        transport = how.get("transport") or ("socket" if self.socket.connections else "http")
        return self.socket if transport == "socket" else self.http


def envelope_of(kind: Kind, payload: Json, number: int, *, answers: bool = True) -> Envelope:
    """Return the envelope around a payload, with an id of Slack's form."""
    made = f"00000000-0000-4000-8000-{number:012d}"
    return Envelope(kind, payload, made, accepts_response_payload=answers)
