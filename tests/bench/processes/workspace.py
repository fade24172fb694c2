"""A simulated workspace as a process: prints the address of its Web API and one that takes any answer to a command."""

import sys

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from vpsops.core.server.shutdown import stopping
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import Rates, WorkspaceConfig

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
LONGEST_HEAD = 1 << 16


async def take(stream: SocketStream) -> None:
    """Take posts and answer each with Slack's yes."""
    async with stream:
        received = BufferedByteReceiveStream(stream)
        try:
            while True:
                head = (await received.receive_until(b"\r\n\r\n", LONGEST_HEAD)).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                if length:
                    await received.receive_exactly(length)
                await stream.send(OK)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
            return


async def main() -> None:
    """Serve until stopped; the load is not held to Slack's rates."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    desk = WorkspaceConfig(rates=Rates(enforced=False))
    async with running_workspace(desk) as workspace, listener, stopping() as stop, anyio.create_task_group() as group:
        group.start_soon(listener.serve, take)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - a socket, not a database
        sys.stdout.write(f"workspace: {workspace.api_url} http://127.0.0.1:{port}/respond\n")
        sys.stdout.flush()
        await stop.wait()
        group.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main)
