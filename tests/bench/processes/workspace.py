"""A simulated workspace as a process: prints the address of its Web API and one that takes any answer to a command.

A GET of the second returns how many answers it took.
"""

import sys

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from vpsops.core.server.shutdown import stopping
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import Rates, WorkspaceConfig

LONGEST_HEAD = 1 << 16


def response_of(text: str) -> bytes:
    """Return a whole response with a short text."""
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


OK = response_of("ok")


class AnswerCounter:
    """Takes answers to commands, and counts them."""

    def __init__(self) -> None:
        self._count = 0

    async def take(self, stream: SocketStream) -> None:
        """Take posts and answer each with Slack's yes."""
        async with stream:
            received = BufferedByteReceiveStream(stream)
            try:
                while True:
                    head = (await received.receive_until(b"\r\n\r\n", LONGEST_HEAD)).lower()
                    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                    if length:
                        await received.receive_exactly(length)
                    posted = head.startswith(b"post")
                    self._count += posted
                    await stream.send(OK if posted else response_of(str(self._count)))
            except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
                return


async def main() -> None:
    """Serve until stopped; the load is not held to Slack's rates."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    desk = WorkspaceConfig(rates=Rates(enforced=False))
    async with running_workspace(desk) as workspace, listener, stopping() as stop, anyio.create_task_group() as group:
        group.start_soon(listener.serve, AnswerCounter().take)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - a socket, not a database
        sys.stdout.write(f"workspace: {workspace.api_url} http://127.0.0.1:{port}/respond\n")
        sys.stdout.flush()
        await stop.wait()
        group.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main)
