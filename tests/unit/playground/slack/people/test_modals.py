"""Modals and home tabs between a real Bolt app and people."""

from collections.abc import Callable
from typing import Any

import pytest
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.clock import FakeClock
from tests.unit.playground.slack.apps import bolt_app, over_http
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.rendering.elements import NotOnScreenError

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def asked(name: str, **fields: Any) -> Json:
    element = {"type": "plain_text_input", "action_id": f"{name}_text", **fields}
    return {"type": "input", "block_id": name, "label": plain(name), "element": element}


def modal(callback_id: str = "reason", **fields: Any) -> Json:
    blocks = [asked("why", max_length=20), {**asked("note"), "optional": True}]
    view = {"type": "modal", "callback_id": callback_id, "title": plain("Deny"), "submit": plain("Send")}
    return {**view, "blocks": blocks, **fields}


async def trigger(workspace: SimulatedWorkspace) -> str:
    delivery = await workspace.command("alice", "ops", "/vps")
    return str(delivery.payload["trigger_id"])


async def error_of(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_a_modal_opens_within_the_life_of_a_trigger_once(
    workspace: SimulatedWorkspace, client: AsyncWebClient, clock: FakeClock
) -> None:
    """Three seconds, one use, and only triggers Slack gave out."""
    first, late = await trigger(workspace), await trigger(workspace)
    clock.advance(3)
    opened = await client.views_open(trigger_id=first, view=modal())

    assert workspace.modals("alice")[0].id == opened["view"]["id"] == opened["view"]["root_view_id"]
    assert await error_of(client.views_open(trigger_id=first, view=modal())) == "exchanged_trigger_id"
    clock.advance(0.1)
    assert await error_of(client.views_open(trigger_id=late, view=modal())) == "expired_trigger_id"
    assert await error_of(client.views_open(trigger_id="1.2.x", view=modal())) == "invalid_trigger_id"


async def test_a_refused_view_names_its_problem_and_spends_no_trigger(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """Inputs without a submit button, a title too long; then the same trigger opens a valid modal."""
    key = await trigger(workspace)
    bad = modal(title=plain("x" * 25))
    bad.pop("submit")
    with pytest.raises(SlackApiError) as caught:
        await client.views_open(trigger_id=key, view=bad)

    assert caught.value.response["error"] == "invalid_arguments"
    assert caught.value.response["response_metadata"]["messages"] == [
        "[ERROR] must be less than 25 characters [json-pointer:/view/title/text]",
        "[ERROR] must define `submit` to use an `input` block in modals [json-pointer:/view/blocks/0/input]",
        "[ERROR] must define `submit` to use an `input` block in modals [json-pointer:/view/blocks/1/input]",
    ]
    assert (await client.views_open(trigger_id=key, view=modal()))["ok"]


async def test_three_modals_stack_and_a_fourth_is_refused(workspace: SimulatedWorkspace) -> None:
    """Each is pushed with the trigger of a click in the one below."""
    app, errors = bolt_app(workspace), []
    deeper = modal(
        blocks=[{"type": "actions", "elements": [{"type": "button", "action_id": "more", "text": plain("More")}]}]
    )

    @app.command("/vps")
    async def _(ack: AsyncAck, command: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=command["trigger_id"], view=deeper)

    @app.action("more")
    async def _(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        await ack()
        try:
            await client.views_push(trigger_id=body["trigger_id"], view=deeper)
        except SlackApiError as error:
            errors.append(error.response["error"])

    async with over_http(workspace, app):
        await workspace.command("alice", "ops", "/vps")
        for _click in range(3):
            top = workspace.modal("alice")
            assert top is not None
            await workspace.click("alice", top, "more")

    bottom, middle, top = workspace.modals("alice")
    assert errors == ["push_limit_reached"]
    assert (middle.previous, top.previous, top.root) == (bottom.id, middle.id, bottom.id)


async def test_a_push_needs_a_trigger_from_a_modal(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """A command's trigger opens, it does not push."""
    assert await error_of(client.views_push(trigger_id=await trigger(workspace), view=modal())) == "not_found"


async def test_a_stale_hash_is_refused_and_the_view_id_or_external_id_finds_it(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """Two updates with the same hash: the second conflicts."""
    opened = await client.views_open(trigger_id=await trigger(workspace), view=modal(external_id="ext"))
    view, seen = opened["view"]["id"], opened["view"]["hash"]
    await client.views_update(view_id=view, hash=seen, view=modal(external_id="ext"))

    assert await error_of(client.views_update(view_id=view, hash=seen, view=modal())) == "hash_conflict"
    assert (await client.views_update(external_id="ext", view=modal(external_id="ext")))["view"]["id"] == view
    again = client.views_open(trigger_id=await trigger(workspace), view=modal(external_id="ext"))
    assert await error_of(again) == "duplicate_external_id"
    await workspace.close_view("alice", workspace.modals("alice")[0])
    assert await error_of(client.views_update(view_id=view, view=modal())) == "not_found"


Answer = Callable[[AsyncAck], Any]


async def submit(workspace: SimulatedWorkspace, app: AsyncApp, **view: Any) -> Any:
    client = app.client
    await client.views_open(trigger_id=await trigger(workspace), view=modal(**view))
    top = workspace.modal("alice")
    assert top is not None
    async with over_http(workspace, app):
        return await workspace.submit_view("alice", top, {"why": "too risky", "note_text": "see #42"})


async def test_a_submission_carries_the_values_and_closes_the_modal(workspace: SimulatedWorkspace) -> None:
    """Keys may be block ids or action ids; private metadata comes back."""
    app, seen = bolt_app(workspace), []

    @app.view("reason")
    async def _(ack: AsyncAck, view: Json) -> None:
        seen.append(view)
        await ack()

    delivery = await submit(workspace, app, private_metadata="chg_1")

    values = seen[0]["state"]["values"]
    assert values["why"]["why_text"] == {"type": "plain_text_input", "value": "too risky"}
    assert (values["note"]["note_text"]["value"], seen[0]["private_metadata"]) == ("see #42", "chg_1")
    assert (delivery.error, workspace.modals("alice")) == (None, ())


@pytest.mark.parametrize(
    ("answer", "titles"),
    [
        ({"response_action": "clear"}, []),
        ({"response_action": "update", "view": modal(title=plain("Sent"))}, ["Sent"]),
        ({"response_action": "push", "view": modal(title=plain("Sure?"))}, ["Deny", "Sure?"]),
        ({"response_action": "errors", "errors": {"why": "too short"}}, ["Deny"]),
    ],
)
async def test_the_answer_to_a_submission_is_carried_out(
    workspace: SimulatedWorkspace, answer: Json, titles: list[str]
) -> None:
    """Clear, update, push and errors each do to the screen what they do in Slack."""
    app = bolt_app(workspace)

    @app.view("reason")
    async def _(ack: AsyncAck) -> None:
        await ack(**answer)

    delivery = await submit(workspace, app)

    assert delivery.error is None
    assert [each.body["title"]["text"] for each in workspace.modals("alice")] == titles
    errors = workspace.modals("alice")[0].errors if "errors" in answer else ()
    assert errors == ((("why", "too short"),) if "errors" in answer else ())


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"response_action": "errors", "errors": {"nothing": "x"}}, "no input block is called nothing"),
        ({"response_action": "update", "view": modal(title=plain("x" * 25))}, "less than 25 characters"),
    ],
)
async def test_an_answer_slack_cannot_use_leaves_the_modal_with_trouble(
    workspace: SimulatedWorkspace, answer: Json, text: str
) -> None:
    """The person reads that something went wrong; the delivery has the details."""
    app = bolt_app(workspace)

    @app.view("reason")
    async def _(ack: AsyncAck) -> None:
        await ack(**answer)

    delivery = await submit(workspace, app)

    assert delivery.error == "trouble_connecting"
    assert text in str(delivery.problems[0])
    assert len(workspace.modals("alice")) == 1


async def test_the_client_refuses_what_slacks_client_refuses(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """A required input left empty, a text too long, a name that is not there, a modal behind another."""
    await client.views_open(trigger_id=await trigger(workspace), view=modal())
    (top,) = workspace.modals("alice")

    with pytest.raises(NotOnScreenError, match="asks for why"):
        await workspace.submit_view("alice", top)
    with pytest.raises(NotOnScreenError, match="0 to 20 characters"):
        await workspace.submit_view("alice", top, {"why": "x" * 21})
    with pytest.raises(NotOnScreenError, match="0 inputs are called 'who'"):
        await workspace.submit_view("alice", top, {"who": "x"})
    with pytest.raises(NotOnScreenError, match="bob does not see"):
        await workspace.submit_view("bob", top, {"why": "x"})


async def test_closing_tells_the_app_where_it_asked_to_be_told(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """One modal, or the whole stack with `is_cleared`, only with `notify_on_close`."""
    app, seen = bolt_app(workspace), []

    @app.view_closed("reason")
    async def _(ack: AsyncAck, body: Json) -> None:
        seen.append((body["view"]["callback_id"], body["is_cleared"]))
        await ack()

    async with over_http(workspace, app):
        for cleared in (False, True):
            view = modal(notify_on_close=True, clear_on_close=cleared)
            await client.views_open(trigger_id=await trigger(workspace), view=view)
            await workspace.close_view("alice", workspace.modals("alice")[0])
        await client.views_open(trigger_id=await trigger(workspace), view=modal())
        silent = await workspace.close_view("alice", workspace.modals("alice")[0])

    assert (seen, silent) == ([("reason", False), ("reason", True)], [])


async def test_a_home_tab_is_published_and_clicked_without_a_response_url(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """Opening sends the app the hash shown; a stale hash conflicts; clicks carry the view."""
    app, seen = bolt_app(workspace), []
    button = {"type": "button", "action_id": "refresh", "text": plain("Refresh")}
    home = {"type": "home", "blocks": [{"type": "actions", "elements": [button]}]}

    @app.event("app_home_opened")
    async def _(event: Json, client: AsyncWebClient) -> None:
        await client.views_publish(user_id=event["user"], view=home, hash=event.get("view", {}).get("hash"))

    @app.action("refresh")
    async def _(ack: AsyncAck, body: Json) -> None:
        seen.append(body)
        await ack()

    async with over_http(workspace, app):
        await workspace.open_home("alice")
        first = workspace.home("alice")
        assert first is not None
        await workspace.open_home("alice")
        await workspace.click("alice", first, "refresh")

    assert await error_of(client.views_publish(user_id="U0ALICE", view=home, hash=first.hash)) == "hash_conflict"
    assert "response_url" not in seen[0]
    assert seen[0]["view"]["type"] == "home"
    assert await error_of(client.views_publish(user_id="U0ALICE", view=modal())) == "invalid_arguments"
