"""Clicks, menus and shortcuts on messages, and the answers that change them."""

from datetime import timedelta
from typing import Any

import aiohttp
import anyio
import pytest
from slack_bolt.async_app import AsyncAck, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.clock import FakeClock
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.playground.slack.apps import bolt_app, over_http
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.rendering.elements import NotOnScreenError

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


CONFIRM = {"title": plain("Sure?"), "text": plain("Reboot web01"), "confirm": plain("Reboot"), "deny": plain("No")}
IMPATIENT_SECONDS = 0.01  # what is waited for never comes
CARD: list[Json] = [
    {"type": "section", "text": plain("Reboot web01?")},
    {
        "type": "actions",
        "block_id": "decide",
        "elements": [
            {"type": "button", "action_id": "approve", "text": plain("Approve"), "value": "chg_1", "confirm": CONFIRM},
            {"type": "button", "action_id": "deny", "text": plain("Deny"), "value": "chg_1"},
            {
                "type": "static_select",
                "action_id": "when",
                "options": [{"text": plain("Now"), "value": "now"}, {"text": plain("Later"), "value": "later"}],
            },
            {
                "type": "overflow",
                "action_id": "more",
                "options": [{"text": plain("Explain"), "value": "explain"}],
            },
        ],
    },
]


async def post_card(workspace: SimulatedWorkspace, client: AsyncWebClient) -> Any:
    posted = await client.chat_postMessage(channel="C0OPS", text="Reboot web01?", blocks=CARD)
    message = workspace.message("ops", posted["ts"])
    assert message is not None
    return message


async def test_a_click_reaches_the_app_and_the_message_changes(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """The payload is made from the posted message; the dialog agreed to is recorded."""
    app, seen = bolt_app(workspace), []

    @app.action("approve")
    async def _(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        seen.append(body)
        await ack()
        where = {"channel": body["channel"]["id"], "ts": body["message"]["ts"]}
        await client.chat_update(**where, text="approved", blocks=[])

    async with over_http(workspace, app):
        card = await post_card(workspace, client)
        delivery = await workspace.click("bob", card, "approve")

    action = seen[0]["actions"][0]
    assert (action["value"], action["block_id"], action["type"]) == ("chg_1", "decide", "button")
    assert (seen[0]["user"]["id"], seen[0]["container"]["is_ephemeral"]) == ("U0BOB", False)
    assert delivery.confirmed == CONFIRM
    assert workspace.messages("ops")[0].text == "approved"


async def test_a_button_that_is_gone_can_only_be_pressed_on_an_old_copy(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """A person sees the current message; a client that lags sends the old button all the same."""
    app, seen = bolt_app(workspace), []

    @app.action("deny")
    async def _(ack: AsyncAck, body: Json) -> None:
        seen.append(body["actions"][0]["value"])
        await ack()

    async with over_http(workspace, app):
        card = await post_card(workspace, client)
        await client.chat_update(channel="C0OPS", ts=card.ts, text="over", blocks=[])
        with pytest.raises(NotOnScreenError, match="there is nothing"):
            await workspace.click("bob", card, "deny")
        await workspace.click_stale("bob", card, "deny")
        await client.chat_delete(channel="C0OPS", ts=card.ts)
        with pytest.raises(NotOnScreenError, match="gone"):
            await workspace.click("bob", card, "deny")

    assert seen == ["chg_1"]


async def test_a_double_click_arrives_twice_with_the_same_trigger(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """Slack marks neither copy of a click."""
    app, seen = bolt_app(workspace), []

    @app.action("deny")
    async def _(ack: AsyncAck, body: Json, request: Any) -> None:
        seen.append((body["trigger_id"], body["actions"][0]["action_ts"], request.headers.get("x-slack-retry-num")))
        await ack()

    async with over_http(workspace, app):
        await workspace.click("bob", await post_card(workspace, client), "deny", duplicates=1)

    assert seen[0] == seen[1]
    assert seen[0][2] is None


async def test_menus_send_what_was_picked_and_the_state_keeps_it(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """A menu's choice shows in the state of later clicks; an option not offered cannot be picked."""
    app, seen = bolt_app(workspace), []

    async def record(ack: AsyncAck, body: Json) -> None:
        seen.append(body)
        await ack()

    for action in ("when", "more", "deny"):
        app.action(action)(record)

    async with over_http(workspace, app):
        card = await post_card(workspace, client)
        await workspace.select("bob", card, "when", "later")
        await workspace.select("bob", card, "more", "explain")
        await workspace.click("bob", card, "deny")
        with pytest.raises(NotOnScreenError, match="there is now, later"):
            await workspace.select("bob", card, "when", "never")

    assert seen[0]["actions"][0]["selected_option"]["value"] == "later"
    assert seen[1]["actions"][0]["selected_option"] == {"text": plain("Explain"), "value": "explain"}
    assert seen[2]["state"]["values"]["decide"]["when"]["selected_option"]["value"] == "later"


async def test_a_menu_fed_by_the_app_offers_what_the_app_answers(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """From the third character on; only an offered option can be picked."""
    app = bolt_app(workspace)
    element = {"type": "external_select", "action_id": "server"}

    @app.options("server")
    async def _(ack: AsyncAck, payload: Json) -> None:
        await ack(options=[{"text": plain(payload["value"]), "value": "vps_1"}])

    @app.action("server")
    async def _(ack: AsyncAck) -> None:
        await ack()

    async with over_http(workspace, app):
        blocks = [{"type": "actions", "elements": [element]}]
        posted = await client.chat_postMessage(channel="C0OPS", text="x", blocks=blocks)
        message = workspace.messages("ops")[0]
        with pytest.raises(NotOnScreenError, match="from 3 characters"):
            await workspace.options("bob", message, "server", "we")
        with pytest.raises(NotOnScreenError, match="there is nothing"):
            await workspace.select("bob", message, "server", "vps_1")
        offered = await workspace.options("bob", message, "server", "web")
        picked = await workspace.select("bob", message, "server", "vps_1")

    assert posted["ok"]
    assert [each["value"] for each in offered.options] == ["vps_1"]
    assert picked.payload["actions"][0]["selected_option"]["text"] == plain("web")


async def test_buttons_hidden_from_a_person_cannot_be_pressed_by_them(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """`visible_to_user_ids` hides in the client; a stale copy of a modified client still reaches the app."""
    button = {"type": "button", "action_id": "go", "text": plain("Go"), "visible_to_user_ids": ["U0BOB"]}
    await client.chat_postMessage(channel="C0OPS", text="x", blocks=[{"type": "actions", "elements": [button]}])

    with pytest.raises(NotOnScreenError, match="not shown to alice"):
        await workspace.click("alice", workspace.messages("ops")[0], "go")


async def test_an_ephemeral_is_replaced_and_deleted_through_its_clicks(workspace: SimulatedWorkspace) -> None:
    """The response address of a click is the only way to change what one person sees."""
    app = bolt_app(workspace)

    @app.command("/vps")
    async def _(ack: AsyncAck) -> None:
        await ack(blocks=CARD, text="x")

    @app.action("approve")
    async def _(ack: AsyncAck, respond: AsyncRespond) -> None:
        await ack()
        await respond(text="sent", blocks=CARD, replace_original=True)

    @app.action("deny")
    async def _(ack: AsyncAck, respond: AsyncRespond) -> None:
        await ack()
        await respond(delete_original=True)

    async with over_http(workspace, app):
        await workspace.command("alice", "ops", "/vps")
        (ephemeral,) = workspace.ephemerals("alice")
        with pytest.raises(NotOnScreenError, match="bob does not see"):
            await workspace.click("bob", ephemeral, "approve")
        delivery = await workspace.click("alice", ephemeral, "approve")
        (replaced,) = workspace.ephemerals("alice")
        await workspace.click("alice", replaced, "deny")

    assert delivery.payload["container"]["is_ephemeral"]
    assert "message" not in delivery.payload
    assert (replaced.text, replaced.ts) == ("sent", ephemeral.ts)
    assert workspace.ephemerals("alice") == []


async def test_a_response_url_lives_five_uses_and_thirty_minutes(
    workspace: SimulatedWorkspace, clock: FakeClock
) -> None:
    """Then it answers 404 with Slack's word for it."""
    await workspace.command("alice", "ops", "/vps")
    await workspace.command("alice", "ops", "/vps")
    used, old = (each.payload["response_url"] for each in workspace.deliveries)

    async def answer(url: str, **body: Any) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
            return response.status, await response.text()

    assert [await answer(used, text="x") for _ in range(5)] == [(200, "ok")] * 5
    assert await answer(used, text="x") == (404, '{"ok": false, "error": "used_url"}')
    clock.advance(timedelta(minutes=30).total_seconds())
    assert await answer(old, text="x") == (200, "ok")
    clock.advance(1)
    assert "expired_url" in (await answer(old, text="x"))[1]
    assert (await answer(f"{workspace.base_url}/hooks/commands/T0ACME/none", text="x"))[0] == 404
    assert len(workspace.hook_log) == 9


async def test_a_response_over_a_limit_is_refused(workspace: SimulatedWorkspace) -> None:
    """The same limits hold for answers, and an empty one is no answer."""
    await workspace.command("alice", "ops", "/vps")
    url = workspace.deliveries[0].payload["response_url"]
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json={"blocks": [{"type": "section"}]}) as response:
            refused = response.status, (await response.json())["error"]
        async with session.post(url, json={}) as response:
            empty = response.status, (await response.json())["error"]
        async with session.post(url, data=b"{") as response:
            broken = response.status, (await response.json())["error"]

    assert (refused, empty, broken) == ((400, "invalid_blocks"), (400, "no_text"), (400, "invalid_payload"))
    assert workspace.ephemerals("alice") == []


async def test_shortcuts_reach_the_app(workspace: SimulatedWorkspace) -> None:
    """A global one and one on a message, each with a trigger."""
    app, seen = bolt_app(workspace), []

    async def record(ack: AsyncAck, body: Json) -> None:
        seen.append(body)
        await ack()

    app.shortcut("new_server")(record)
    app.shortcut("reboot_mentioned")(record)
    async with over_http(workspace, app):
        await workspace.shortcut("alice", "new_server")
        message = workspace.say("bob", "ops", "web01 is down")
        await workspace.message_shortcut("alice", message, "reboot_mentioned")

    assert [each["type"] for each in seen] == ["shortcut", "message_action"]
    assert seen[1]["message"]["text"] == "web01 is down"
    assert all(each["trigger_id"] for each in seen)


async def test_a_call_can_be_held_back_to_make_a_race(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """The gate signals that the call is there and lets it go on request."""
    gate = workspace.faults.hold_next("chat.postMessage")
    async with anyio.create_task_group() as tasks:

        async def post() -> None:
            await client.chat_postMessage(channel="C0OPS", text="held")

        tasks.start_soon(post)
        with anyio.fail_after(PATIENCE_SECONDS):
            await gate.arrived.wait()
        assert workspace.messages("ops") == []
        gate.release()
        message = await workspace.wait_for(lambda: workspace.messages("ops"))

    assert message[0].text == "held"


async def test_waiting_for_what_never_comes_ends(workspace: SimulatedWorkspace) -> None:
    """`wait_for` gives up after its limit."""
    with pytest.raises(TimeoutError):
        await workspace.wait_for(lambda: workspace.messages("ops"), limit=IMPATIENT_SECONDS)
