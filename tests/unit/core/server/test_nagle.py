"""Listening sockets name their protocol, without which asyncio leaves Nagle's delay on."""

import socket

from vpsops.core.server import http_server
from vpsops.playground.wayscloud import serve as simulator


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """A connection accepted from a listening socket is one that asyncio turns Nagle's delay off for."""
    for listener in (http_server.listen("127.0.0.1", 0), simulator.listen(0)):
        with listener, socket.create_connection(listener.getsockname()):
            listener.settimeout(5)
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.proto == socket.IPPROTO_TCP
