"""Task notifications on `subscriptions/listen`, for clients that prefer them to polling."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest

from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.mcp_server.harness import ANN
from tests.unit.mcp_server.http_harness import ENVELOPE, NEW, post, serving
from vpsops.core.app import Core
from vpsops.core.changes.model import Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.mcp_server.protocol.tasks import EXTENSION
from vpsops.mcp_server.protocol.uris import change_uri
from vpsops.mcp_server.server import ServerOptions

CHANNEL = "C0APPROVE"
BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2", groups=(CHANNEL,))
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
DECLARED = {**ENVELOPE, CAPABILITIES: {"extensions": {EXTENSION: {}}}}

pytestmark = pytest.mark.parametrize("approval_channel", [CHANNEL])


def request(method: str, meta: dict[str, Any] = DECLARED, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": {**params, "_meta": meta}}


@asynccontextmanager
async def served(core: Core) -> AsyncIterator[tuple[str, str]]:
    """Serve a core with a stop of web01 that is held; yields the address and the task."""
    async with serving(core, None, ServerOptions(human=ANN)) as (site, _):
        stop = request("tools/call", name="vps_stop", arguments={"server": "web01"})
        yield site.url, (await post(site.url, stop)).json()["result"]["taskId"]


async def stream(url: str, **notifications: Any) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the messages of a stream."""
    headers = {**NEW, "Mcp-Method": "subscriptions/listen"}
    body = request("subscriptions/listen", notifications=notifications)
    async with (
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
        client.stream("POST", url, json=body, headers=headers) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])


async def decide(core: Core, task: str, verdict: Verdict) -> None:
    change = await core.changes.get(task, scope=OPERATOR)
    await core.gate.vote(task, BOB, verdict, change.digest, reason="not now", scope=OPERATOR)


async def test_a_task_is_told_of_until_its_end(core: Core) -> None:
    """The stream confirms the task and then sends it in full, ids and all, with its result in the end."""
    async with served(core) as (url, task), aclosing(stream(url, taskIds=[task])) as heard:
        acknowledged = await anext(heard)
        assert acknowledged["params"]["notifications"] == {"taskIds": [task]}
        await decide(core, task, Verdict.APPROVE)
        notifications: list[dict[str, Any]] = []
        with anyio.fail_after(PATIENCE_SECONDS):
            while not notifications or notifications[-1]["status"] == "working":
                message = await anext(heard)
                assert message["method"] == "notifications/tasks"
                notifications.append(message["params"])
    assert {item["taskId"] for item in notifications} == {task}
    assert notifications[-1]["status"] == "completed"
    assert notifications[-1]["ttlMs"] is None
    assert notifications[-1]["result"]["structuredContent"]["state"] == "succeeded"
    assert notifications[-1]["_meta"] == {"io.modelcontextprotocol/subscriptionId": 7}


async def test_the_change_is_told_beside_its_task_where_both_are_wanted(core: Core) -> None:
    """A requested resource is reported as ever."""
    async with served(core) as (url, task):
        uri = change_uri(task)
        async with aclosing(stream(url, taskIds=[task], resourceSubscriptions=[uri])) as heard:
            acknowledged = await anext(heard)
            assert acknowledged["params"]["notifications"] == {"taskIds": [task], "resourceSubscriptions": [uri]}
            await decide(core, task, Verdict.DENY)
            messages = [await anext(heard), await anext(heard)]
    assert [message["method"] for message in messages] == ["notifications/tasks", "notifications/resources/updated"]
    assert messages[0]["params"]["result"]["isError"] is True
    assert messages[1]["params"]["uri"] == uri


async def test_what_is_not_the_callers_is_left_out(core: Core) -> None:
    """Unknown ids and other people's are not confirmed, and nothing is sent about them."""
    async with (
        served(core) as (_, task),
        serving(core, None, ServerOptions(human="eve@example.com")) as (site, _served),
        aclosing(stream(site.url, taskIds=[task, "chg_000000000000", "nonsense"])) as heard,
    ):
        acknowledged = await anext(heard)
    assert acknowledged["params"]["notifications"] == {"taskIds": []}


async def test_a_client_that_did_not_declare_it_is_told_so(core: Core) -> None:
    """The error names the capability that is missing, and no stream begins."""
    async with served(core) as (url, task):
        listen = request("subscriptions/listen", ENVELOPE, notifications={"taskIds": [task]})
        error = (await post(url, listen)).json()["error"]
    assert error["code"] == -32021
    assert error["data"] == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


@pytest.mark.parametrize("value", ["chg_1", [1], ["x" * 300], ["chg_1"] * 101])
async def test_what_is_no_list_of_ids_is_refused(core: Core, value: object) -> None:
    """Invalid parameters, in words."""
    async with served(core) as (url, _):
        error = (await post(url, request("subscriptions/listen", notifications={"taskIds": value}))).json()["error"]
    assert error["code"] == -32602
    assert "taskIds" in error["message"]
