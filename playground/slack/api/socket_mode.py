"""Socket Mode: WebSockets on which envelopes go out and acknowledgements come back."""

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from vpsops.playground.slack.api.change_notifier import ChangeNotifier
from vpsops.playground.slack.api.transports import Deadline, Envelope
from vpsops.playground.slack.workspace.log import Attempt
from vpsops.playground.slack.workspace.protocol import Json

MOST_CONNECTIONS = 10


@dataclass(eq=False, slots=True)
class Connection:
    """One WebSocket of the app."""

    ws: web.WebSocketResponse
    request: web.Request
    number: int


@dataclass(eq=False, slots=True)
class _Waiting:
    ack: Json | None = None
    acked: bool = False


class SocketLine:
    """The app's WebSockets; any of them may get the next envelope."""

    def __init__(self, app_id: str, deadline: Deadline, changes: ChangeNotifier) -> None:
        self._app_id, self._deadline, self._changes = app_id, deadline, changes
        self._tickets: set[str] = set()
        self._numbers = 0
        self._waiting: dict[str, list[_Waiting]] = {}
        self.base_url = ""
        self.connections: list[Connection] = []
        self.sent: list[Json] = []
        self.acks: list[Json] = []

    def ticket_url(self) -> str:
        """Return the address of one new WebSocket, good for one connection."""
        self._numbers += 1
        ticket = f"ticket-{self._numbers}"
        self._tickets.add(ticket)
        return f"{self.base_url}/link/?ticket={ticket}&app_id={self._app_id}"

    async def send(self, envelope: Envelope) -> Attempt:
        """Deliver once and wait for the acknowledgement; a lost connection sends it again on the next."""
        late = Attempt("socket", envelope.retry, error="operation_timeout")
        return await self._deadline.run(lambda: self._deliver(envelope), late)

    async def connected(self, count: int = 1) -> None:
        """Wait until the app holds at least this many WebSockets."""
        while len(self.connections) < count:
            await self._changes.wait()

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Announce to the app that its oldest WebSocket closes, as Slack does every few hours, and close it."""
        if not self.connections:
            return
        connection = self.connections[0]
        notice = {"type": "disconnect", "reason": reason, "debug_info": {"host": "simulated-applink"}}
        await connection.ws.send_str(json.dumps(notice))
        if reason != "warning":
            self._forget(connection)

    def drop(self) -> None:
        """Cut every WebSocket without a close frame."""
        for connection in list(self.connections):
            self._forget(connection)
            if connection.request.transport is not None:
                connection.request.transport.abort()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Carry one WebSocket from the greeting to its end."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets or len(self.connections) >= MOST_CONNECTIONS:
            return web.Response(status=404)
        self._tickets.discard(ticket)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self._numbers += 1
        connection = Connection(ws, request, self._numbers)
        await ws.send_str(json.dumps(self._hello()))
        self.connections.append(connection)
        self._changes.ring()
        try:
            async for message in ws:
                if message.type == WSMsgType.TEXT:
                    self._receive(message.data)
        finally:
            self._forget(connection)
        return ws

    async def close(self) -> None:
        """Close every WebSocket."""
        for connection in list(self.connections):
            self._forget(connection)
            await connection.ws.close(code=WSCloseCode.GOING_AWAY)

    async def _deliver(self, envelope: Envelope) -> Attempt:
        waiting = _Waiting()
        queue = self._waiting.setdefault(envelope.id, [])
        queue.append(waiting)
        try:
            while not waiting.acked:
                connection = await self._pick()
                await self._write(connection, envelope)
                await self._acked_or_lost(waiting, connection)
        finally:
            if waiting in queue:
                queue.remove(waiting)
        return Attempt("socket", envelope.retry, ack=waiting.ack)

    async def _acked_or_lost(self, waiting: _Waiting, connection: Connection) -> None:
        while not waiting.acked and connection in self.connections:
            await self._changes.wait()

    async def _pick(self) -> Connection:
        await self.connected()
        connection = self.connections.pop(0)
        self.connections.append(connection)
        return connection

    async def _write(self, connection: Connection, envelope: Envelope) -> None:
        body: Json = {
            "envelope_id": envelope.id,
            "type": envelope.kind,
            "payload": envelope.payload,
            "accepts_response_payload": envelope.accepts_response_payload,
        }
        if envelope.retry:
            body |= {"retry_attempt": envelope.retry, "retry_reason": "timeout"}
        self.sent.append(body)
        self._changes.ring()
        try:
            await connection.ws.send_str(json.dumps(body))
        except ConnectionError:
            self._forget(connection)

    def _receive(self, text: str) -> None:
        try:
            message: Any = json.loads(text)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        self.acks.append(message)
        queue = self._waiting.get(str(message.get("envelope_id")))
        if not queue:
            return
        waiting, payload = queue.pop(0), message.get("payload")
        waiting.ack = payload if isinstance(payload, dict) else None
        waiting.acked = True
        self._changes.ring()

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.connections) + 1,
            "connection_info": {"app_id": self._app_id},
            "debug_info": {"host": "simulated-applink", "approximate_connection_time": 18060},
        }

    def _forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        self._changes.ring()
