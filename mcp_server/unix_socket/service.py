"""Serves MCP on a Unix socket: one session for each connection, of the person that its user id is mapped to.

Each session has a server object of its own, built for its caller, so that no request can be taken for another's.
"""

import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import anyio
import structlog
from anyio import to_thread
from anyio.abc import TaskGroup
from mcp.server.stdio import stdio_server

from vpsops.core.app import Core
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.supervision import block_tasks
from vpsops.core.common.timings import GRACE_SECONDS, SOCKET_PAUSE_SECONDS, SOCKET_WRITE_SECONDS
from vpsops.core.config.reloader import Commit
from vpsops.core.config.settings import Settings
from vpsops.core.server.rejections import Rejections
from vpsops.mcp_server.auth.access import reach_from_words
from vpsops.mcp_server.auth.principal import Caller
from vpsops.mcp_server.protocol import frames
from vpsops.mcp_server.protocol.frames import Frame
from vpsops.mcp_server.protocol.lines import MessageReader
from vpsops.mcp_server.protocol.pending_requests import PendingRequests
from vpsops.mcp_server.protocol.shutdown import Shutdown
from vpsops.mcp_server.resources.updates import UpdatePublisher, open_updates
from vpsops.mcp_server.server import ServerOptions, build_server
from vpsops.mcp_server.unix_socket.config import SocketConfig, socket_config_from
from vpsops.mcp_server.unix_socket.connection import TOO_MANY_CONNECTIONS, ConnectionLimits, SocketConnection
from vpsops.mcp_server.unix_socket.peer import Peer, SocketUsers, peer_of, refusal_of
from vpsops.mcp_server.unix_socket.stream import LocalStream

PIPE: Final = "notifications/vpsops/pipe"
"""The first line of `vpsops mcp`: its flags, which narrow the session."""
CHANGE: Final = "notifications/vpsops/change"
"""What a pipe learns for its own use: which change a request has become."""
NOT_SERVED: Final = -32603

logger = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class _SocketSession:
    """A session under way, as its end needs it."""

    connection: SocketConnection
    shutdown: Shutdown

    def begin_end(self) -> None:
        """Have its calls answered, and its streams end without a word."""
        self.connection.stopping = True
        self.shutdown.begin()


@dataclass(frozen=True, slots=True)
class SocketService:
    """The sessions on one socket."""

    core: Core
    users: SocketUsers
    options: ServerOptions
    live: UpdatePublisher
    group: TaskGroup
    peer: Callable[[socket.socket], Peer] = peer_of
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    rejections: Rejections = field(default_factory=lambda: Rejections("mcp_socket"))
    sessions: set[_SocketSession] = field(default_factory=set)
    peers: dict[SocketConnection, tuple[Peer, Caller | None]] = field(default_factory=dict)

    async def prepare(self, settings: Settings) -> Commit:
        """Return what takes up the users of new settings; raises `ConfigurationError`."""
        return partial(self.use, await to_thread.run_sync(socket_config_from, settings))

    def use(self, config: SocketConfig) -> None:
        """Take up a table of users, and end the connections of those who are another person now, or none.

        Their sessions end as those of clients that left: an open question is withdrawn with its change. A client that
        stays, such as a pipe, connects again, and is who the table says.
        """
        self.users.config = config
        for connection, (peer, caller) in tuple(self.peers.items()):
            if self.users.caller_of(peer) != caller:
                logger.info("mcp_socket_cut", uid=peer.uid, pid=peer.pid)
                connection.cut()

    async def accept(self, sock: socket.socket) -> None:
        """Take connections until cancelled; one that cannot be taken, for want of descriptors, waits."""
        while True:
            await anyio.wait_readable(sock)
            try:
                taken, _ = sock.accept()
            except BlockingIOError:
                continue
            except OSError:
                self.rejections.count("not_taken")
                await anyio.sleep(SOCKET_PAUSE_SECONDS)
                continue
            work = partial(self.serve, LocalStream(taken))
            self.core.supervisor.start_once("mcp_socket_session", work, group=self.group)

    async def serve(self, stream: LocalStream) -> None:
        """Serve a connection until its end."""
        with closing(stream):
            try:
                peer = self.peer(stream.sock)
            except OSError:
                self.rejections.count("no_credentials")
                return
            with self.limits.admit(peer.uid, stream) as connection:
                if connection is None:
                    self.rejections.count("too_many_connections")
                    await _send(stream, TOO_MANY_CONNECTIONS)
                    return
                caller = self.users.caller_of(peer)
                self.peers[connection] = peer, caller
                try:
                    await self._serve_peer(peer, caller, connection)
                finally:
                    del self.peers[connection]

    async def stop(self) -> None:
        """Have every session's calls answered, and return with the last answer, or when the time for that is over."""
        for session in tuple(self.sessions):
            session.begin_end()
        with anyio.move_on_after(GRACE_SECONDS):
            for session in tuple(self.sessions):
                await session.connection.unanswered.none()

    async def _serve_peer(self, peer: Peer, caller: Caller | None, connection: SocketConnection) -> None:
        if caller is None:
            self.rejections.count("user_not_known")
            await _refuse(connection, refusal_of(peer))
            return
        first = await connection.next_frame()
        words = pipe_words(first)
        logger.info("mcp_socket_session", uid=peer.uid, pid=peer.pid, pipe=words is not None)
        try:
            flags = reach_from_words(words or ())
            options = replace(self.options, reach=self.options.reach.narrowed(flags))
            await self._serve_caller(caller, connection, first if words is None else None, options)
        except VpsopsError as error:
            await _refuse(connection, f"vpsops cannot serve this. {error.message} {error.hint}".strip())

    async def _serve_caller(
        self, caller: Caller, connection: SocketConnection, first: Frame | None, options: ServerOptions
    ) -> None:
        """Serve a caller; `first` is the frame that was read already, None where a pipe introduced itself."""
        session = _SocketSession(connection, Shutdown())
        announce = None if first is not None else partial(_announce, connection)
        options = replace(options, who=lambda _: caller, shutdown=session.shutdown, announce=announce)
        options = replace(options, same_machine=True)
        server = build_server(self.core, options)
        server.lifespan = self._shared
        server.middleware.insert(0, connection.unanswered)
        self.sessions.add(session)
        try:
            source = MessageReader(_source(first, connection), connection.unanswered, session.shutdown)
            lines: Any = source
            async with stdio_server(lines, connection.unanswered.watching(connection)) as (incoming, outgoing):
                await server.run(incoming, outgoing, server.create_initialization_options())
        finally:
            self.sessions.discard(session)

    def _shared(self, _: object) -> AbstractAsyncContextManager[UpdatePublisher]:
        return _lent(self.live)


@asynccontextmanager
async def open_socket(
    core: Core,
    users: SocketUsers,
    sock: socket.socket,
    options: ServerOptions,
    peer: Callable[[socket.socket], Peer] = peer_of,
) -> AsyncIterator[SocketService]:
    """Serve a listening socket for as long as the block runs; before its end calls under way are answered."""
    keyed = replace(options, state_keys=options.state_keys or (secrets.token_bytes(32),))
    async with open_updates(core) as live, block_tasks() as group:
        service = SocketService(core, users, keyed, live, group, peer)
        core.reloader.add(service.prepare)
        core.supervisor.start("mcp_socket", partial(service.accept, sock), group=group)
        yield service
        await service.stop()


def pipe_words(frame: Frame | None) -> Sequence[str] | None:
    """Return the flags of a pipe that introduces itself; None for a first line of any other client."""
    if frame is None or not isinstance(frame.message, dict) or frame.message.get("method") != PIPE:
        return None
    params = frame.message.get("params") or {}
    words = params.get("words", [])
    fits = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return tuple(words) if fits else ("--unreadable",)


def _source(first: Frame | None, connection: SocketConnection) -> Callable[[], Any]:
    kept = [first] if first is not None else []

    async def read() -> Frame | None:
        return kept.pop() if kept else await connection.next_frame()

    return read


async def _announce(connection: SocketConnection, request: int | str | None, change: str) -> None:
    message = {"jsonrpc": "2.0", "method": CHANGE, "params": {"requestId": request, "change": change}}
    await connection.unanswered.write(f"{json.dumps(message)}\n")


async def _refuse(connection: SocketConnection, why: str) -> None:
    """Answer every request with the reason why none is served, until the client leaves."""
    unanswered: PendingRequests = connection.unanswered.watching(connection)
    while not unanswered.gone and (frame := await connection.next_frame()) is not None:
        for answer in (*frame.answers, *frames.refuse_request(frame, why, NOT_SERVED).answers):
            await unanswered.write(f"{answer}\n")


async def _send(stream: LocalStream, why: str) -> None:
    answer = {"jsonrpc": "2.0", "id": None, "error": {"code": NOT_SERVED, "message": why}}
    with anyio.move_on_after(SOCKET_WRITE_SECONDS), suppress(OSError):
        await stream.send(f"{json.dumps(answer)}\n".encode())


@asynccontextmanager
async def _lent(live: UpdatePublisher) -> AsyncIterator[UpdatePublisher]:
    yield live
