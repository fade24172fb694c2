"""Driving a workspace over HTTP from another process."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from tests.unit.playground.slack.apps import bolt_app, over_http
from vpsops.playground.slack.people.model import SimulatedWorkspace

Json = dict[str, Any]
MODAL = {
    "type": "modal",
    "callback_id": "reason",
    "title": {"type": "plain_text", "text": "Deny"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "why",
            "label": {"type": "plain_text", "text": "Why"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}


@pytest.fixture
async def control(workspace: SimulatedWorkspace) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(workspace.base_url) as session:
        yield session


async def order(control: aiohttp.ClientSession, name: str, **fields: Any) -> tuple[int, Json]:
    async with control.post(f"/_sim/{name}", json=fields) as answer:
        return answer.status, await answer.json()


async def read_control(control: aiohttp.ClientSession, what: str, **query: str) -> Json:
    async with control.get(f"/_sim/{what}", params=query) as answer:
        document: Json = await answer.json()
        return document


async def test_a_story_can_be_told_over_the_control_api(
    workspace: SimulatedWorkspace, client: AsyncWebClient, control: aiohttp.ClientSession
) -> None:
    """Command, card, click, modal, submission, and looking at each."""
    app = bolt_app(workspace)
    button = {"type": "button", "action_id": "deny", "text": {"type": "plain_text", "text": "Deny"}}

    @app.command("/vps")
    async def _(ack: AsyncAck) -> None:
        await ack("on its way")
        blocks = [{"type": "actions", "elements": [button]}]
        await client.chat_postMessage(channel="C0OPS", text="card", blocks=blocks)

    @app.action("deny")
    async def _(ack: AsyncAck, body: Json) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @app.view("reason")
    async def _(ack: AsyncAck) -> None:
        await ack()

    async with over_http(workspace, app):
        url = workspace.http.url
        workspace.http.url = None
        assert await order(control, "connect", request_url=url) == (200, {"ok": True})
        typed = await order(control, "command", user="alice", channel="ops", command="/vps", text="list")
        seen = (await read_control(control, "messages", channel="ops", user="alice"))["messages"]
        card = next(each for each in seen if each["text"] == "card")
        clicked = await order(control, "click", user="bob", channel="ops", ts=card["ts"], action_id="deny")
        (view,) = (await read_control(control, "views", user="bob"))["views"]
        sent = await order(control, "submit", user="bob", view=view["id"], values={"why": "risky"})

    assert (typed[1]["ok"], clicked[1]["ok"], sent[1]["ok"]) == (True, True, True)
    assert {"on its way", "card"} == {each["text"] for each in seen}
    assert view["lines"] == ["== Deny ==", "Why: [________]", "[Send]"]
    log = await read_control(control, "log")
    assert [each["kind"] for each in log["deliveries"]] == ["slash_commands", "block_actions", "view_submission"]


async def test_shortcuts_and_home_are_used_over_the_control_api(
    workspace: SimulatedWorkspace, control: aiohttp.ClientSession
) -> None:
    """From anywhere, on a message, and on opening Home: each sends the app what Slack would."""
    app = bolt_app(workspace)
    heard: list[Json] = []

    async def note(ack: AsyncAck, body: Json) -> None:
        heard.append(body)
        await ack()

    async def seen(body: Json) -> None:
        heard.append(body)

    app.shortcut("anywhere")(note)
    app.shortcut("here")(note)
    app.event("app_home_opened")(seen)
    async with over_http(workspace, app):
        message = workspace.say("bob", "ops", "web01 is slow")
        on = {"user": "alice", "channel": "ops", "callback_id": "here"}
        assert (await order(control, "shortcut", user="alice", callback_id="anywhere"))[1]["ok"]
        assert (await order(control, "shortcut", ts=message.ts, **on))[1]["ok"]
        assert (await order(control, "home", user="alice"))[1]["ok"]
        assert (await order(control, "shortcut", ts="1.000001", **on))[0] == 422
    assert [item["type"] for item in heard] == ["shortcut", "message_action", "event_callback"]
    assert heard[1]["message"]["text"] == "web01 is slow"
    assert "channel" not in heard[0]


async def test_the_furniture_can_be_moved_over_the_control_api(
    workspace: SimulatedWorkspace, control: aiohttp.ClientSession
) -> None:
    """Channels archived, tokens refused, faults ordered."""
    await order(control, "archive", channel="ops")
    await order(control, "token", error="token_revoked")
    await order(control, "faults", method="chat.update", kind="ratelimit", retry_after=9)

    channels = (await read_control(control, "channels"))["channels"]
    assert next(each for each in channels if each["name"] == "ops")["archived"]
    assert workspace.desk.state.token_refused == "token_revoked"
    error = workspace.faults.take("chat.update").error
    assert error is not None
    assert error.headers == {"Retry-After": "9"}


@pytest.mark.parametrize(
    ("name", "fields", "status"),
    [
        ("dance", {}, 404),
        ("command", {"user": "alice"}, 422),
        ("command", {"user": "zoe", "channel": "ops", "command": "/vps"}, 404),
        ("click", {"user": "bob", "channel": "ops", "ts": "1.000001", "action_id": "x"}, 422),
        ("archive", {"channel": "ops", "surprise": 1}, 422),
    ],
)
async def test_a_wrong_order_is_refused_in_words(
    control: aiohttp.ClientSession, name: str, fields: Json, status: int
) -> None:
    """Unknown orders, people, messages and fields."""
    refused = await order(control, name, **fields)

    assert refused[0] == status
    assert refused[1]["error"]
