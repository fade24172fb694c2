"""Requests that were read and not answered, at the end of the input."""

import json

import anyio
import pytest

from vpsops.mcp_server.protocol.pending_requests import PendingRequests

CALL = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "vps_stop"}}
QUESTION = {"jsonrpc": "2.0", "id": "q-1", "method": "elicitation/create", "params": {}}
ANSWER = {"jsonrpc": "2.0", "id": 9, "result": {}}


class Output:
    """Standard output that is read."""

    async def write(self, text: str) -> None:
        del text

    async def flush(self) -> None:
        return


@pytest.mark.requirement("mcp-pipes-are-answered")
@pytest.mark.parametrize("message", [QUESTION, ANSWER], ids=["a question", "the answer"])
@pytest.mark.parametrize("written_first", [True, False])
async def test_the_end_waits_until_a_call_is_answered_or_asks(message: dict[str, object], written_first: bool) -> None:
    """Also where the input has ended before the question is written, as that of a pipe of one call does."""
    pending, ended = PendingRequests(), anyio.Event()
    pending.watching(Output())
    pending.read(CALL)

    async def wait() -> None:
        await pending.none_but_asking()
        ended.set()

    async with anyio.create_task_group() as group:
        if written_first:
            await pending.write(json.dumps(message))
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert ended.is_set() is written_first
        await pending.write(json.dumps(message))
        await anyio.wait_all_tasks_blocked()
        assert ended.is_set()
        group.cancel_scope.cancel()
