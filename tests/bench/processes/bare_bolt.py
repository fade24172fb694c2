"""A bare Bolt app behind Starlette that acknowledges `/vps` with a text and does nothing else."""

import logging
import socket
import sys

import uvicorn
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def build(secret: str, *, before: bool) -> Starlette:
    """Return the app; `before` is Bolt's `process_before_response`, off by default."""

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token="xoxb-bench")

    bolt = AsyncApp(signing_secret=secret, authorize=authorize, process_before_response=before)

    @bolt.command("/vps")
    async def on_command(ack: AsyncAck) -> None:
        await ack("ok")

    handler = AsyncSlackRequestHandler(bolt)

    async def endpoint(request: Request) -> Response:
        return await handler.handle(request)

    return Starlette(routes=[Route("/slack/events", endpoint, methods=["POST"])])


def main(secret: str, mode: str) -> None:
    """Serve on a free port of this machine and print the address."""
    logging.basicConfig(level=logging.ERROR)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    config = uvicorn.Config(build(secret, before=mode == "before"), log_level="warning", access_log=False)
    sys.stdout.write(f"bot: http://127.0.0.1:{listener.getsockname()[1]}/slack/events\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
