"""The Web API as the unchanged SDK client meets it."""

from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import HeaderBlock, SectionBlock
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.clock import FakeClock
from tests.harness.virtual_time import VirtualClock
from tests.unit.playground.slack.apps import sdk_client
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig


async def refused(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_a_message_is_posted_threaded_edited_and_deleted(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """Its life shows in the channel, with its earlier text kept."""
    blocks = [HeaderBlock(text="Approve?"), SectionBlock(text="*reboot* web01")]
    posted = await client.chat_postMessage(channel="C0OPS", text="fallback", blocks=blocks)
    reply = await client.chat_postMessage(channel="C0OPS", text="why?", thread_ts=posted["ts"])
    await client.chat_update(channel="C0OPS", ts=posted["ts"], text="decided", blocks=[])
    message, answer = workspace.messages("ops")

    assert (message.text, message.blocks, [each.text for each in message.edits]) == ("decided", (), ["fallback"])
    assert (answer.thread_ts, workspace.messages("ops", thread=posted["ts"])) == (posted["ts"], [answer])
    await client.chat_delete(channel="C0OPS", ts=reply["ts"])
    assert [each.ts for each in workspace.messages("ops")] == [posted["ts"]]


async def test_blocks_stay_when_an_update_sends_none(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """A text alone changes the text alone."""
    posted = await client.chat_postMessage(channel="C0OPS", text="a", blocks=[SectionBlock(text="b")])
    await client.chat_update(channel="C0OPS", ts=posted["ts"], text="c")

    assert [(each.text, len(each.blocks)) for each in workspace.messages("ops")] == [("c", 1)]


async def test_form_encoded_calls_are_understood_too(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """Blocks arrive as a JSON string in a form."""
    data = {"channel": "C0OPS", "text": "x", "blocks": '[{"type":"divider"}]'}
    await client.api_call("chat.postMessage", data=data)

    assert workspace.messages("ops")[0].blocks[0]["type"] == "divider"
    broken = client.api_call("chat.postMessage", data={"channel": "C0OPS", "blocks": "[{"})
    assert await refused(broken) == "invalid_blocks_format"


async def test_a_post_to_a_person_opens_their_direct_messages(
    workspace: SimulatedWorkspace, client: AsyncWebClient
) -> None:
    """The answer names the conversation, which later updates need."""
    posted = await client.chat_postMessage(channel="U0ALICE", text="done")

    assert posted["channel"].startswith("D")
    assert [each.text for each in workspace.direct_messages("alice")] == ["done"]
    assert await refused(client.chat_update(channel="U0ALICE", ts=posted["ts"], text="x")) == "channel_not_found"
    assert await refused(client.chat_postMessage(channel="U0ERIN", text="x")) == "user_disabled"


async def test_timestamps_are_unique_and_grow_even_when_time_stands_still(client: AsyncWebClient) -> None:
    """Two posts in the same instant have two names."""
    first, second = [await client.chat_postMessage(channel="C0OPS", text="x") for _ in range(2)]

    assert first["ts"] < second["ts"]


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        ("C0NONE", "channel_not_found"),
        ("C0SECRET", "channel_not_found"),
        ("C0NOBOT", "not_in_channel"),
        ("C0OLD", "is_archived"),
    ],
)
async def test_a_post_to_the_wrong_place_is_refused(client: AsyncWebClient, channel: str, error: str) -> None:
    """Each place has Slack's own word."""
    assert await refused(client.chat_postMessage(channel=channel, text="x")) == error


async def test_an_update_is_refused_with_slacks_words(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """Not there, not ours, too long, empty, archived since, removed since."""
    posted = await client.chat_postMessage(channel="C0OPS", text="x")
    theirs = workspace.say("alice", "ops", "hello")
    own = {"channel": "C0OPS", "ts": posted["ts"]}

    assert await refused(client.chat_update(channel="C0OPS", ts="1.000001", text="x")) == "message_not_found"
    assert await refused(client.chat_update(channel="C0OPS", ts=theirs.ts, text="x")) == "cant_update_message"
    assert await refused(client.chat_delete(channel="C0OPS", ts=theirs.ts)) == "cant_delete_message"
    assert await refused(client.chat_update(**own, text="x" * 4001)) == "msg_too_long"
    assert await refused(client.api_call("chat.update", json=own)) == "no_text"
    workspace.archive("ops")
    assert await refused(client.chat_update(**own, text="y")) == "is_archived"
    workspace.archive("ops", archived=False)
    workspace.kick("ops", workspace.config.bot_user_id)
    assert await refused(client.chat_update(**own, text="y")) == "not_in_channel"


async def test_a_long_text_is_cut_when_posted(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """Forty thousand characters are kept."""
    await client.chat_postMessage(channel="C0OPS", text="x" * 40_001)

    assert len(workspace.messages("ops")[0].text) == 40_000


async def test_the_edit_window_of_a_workspace_closes(clock: FakeClock) -> None:
    """After it, an update is refused."""
    async with running_workspace(WorkspaceConfig(edit_window=60), clock, wall=VirtualClock()) as workspace:
        client = sdk_client(workspace)
        posted = await client.chat_postMessage(channel="C0OPS", text="x")
        clock.advance(61)
        assert await refused(client.chat_update(channel="C0OPS", ts=posted["ts"], text="y")) == "edit_window_closed"


async def test_blocks_over_a_limit_are_refused_with_the_place(client: AsyncWebClient) -> None:
    """The SDK's models let a field of 2001 through; the workspace does not."""
    blocks = [{"type": "section", "fields": [{"type": "plain_text", "text": "x" * 2001}]}]
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="C0OPS", text="x", blocks=blocks)

    assert caught.value.response["error"] == "invalid_blocks"
    assert caught.value.response["response_metadata"]["messages"] == [
        "[ERROR] must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]"
    ]


async def test_ephemerals_reach_one_member(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """No other member sees them, no outsider gets them, and chat.update does not know them."""
    response = await client.chat_postEphemeral(channel="C0OPS", user="U0ALICE", text="psst")

    assert [each.text for each in workspace.ephemerals("alice", "ops")] == ["psst"]
    assert (workspace.ephemerals("bob"), workspace.messages("ops")) == ([], [])
    update = client.chat_update(channel="C0OPS", ts=response["message_ts"], text="x")
    assert await refused(update) == "message_not_found"
    outside = client.chat_postEphemeral(channel="C0OPS", user="U0ERIN", text="x")
    assert await refused(outside) == "user_not_in_channel"


async def test_tokens_are_checked_and_can_be_revoked(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """A wrong, missing, misplaced or revoked token has its own word."""
    stranger = AsyncWebClient(token="xoxb-other", base_url=workspace.api_url)
    anonymous = AsyncWebClient(base_url=workspace.api_url)

    assert await refused(stranger.auth_test()) == "invalid_auth"
    assert await refused(anonymous.auth_test()) == "not_authed"
    assert await refused(client.apps_connections_open(app_token=workspace.config.bot_token)) == "not_allowed_token_type"
    workspace.refuse_token("token_revoked")
    assert await refused(client.chat_postMessage(channel="C0OPS", text="x")) == "token_revoked"
    workspace.refuse_token("account_inactive")
    assert await refused(client.auth_test()) == "account_inactive"


async def test_a_missing_scope_is_named(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """The refusal names the needed and the granted scopes."""
    with pytest.raises(SlackApiError) as caught:
        await client.users_lookupByEmail(email="alice@acme.example")

    assert caught.value.response["needed"] == "users:read.email"
    assert "chat:write" in caught.value.response["provided"]
    assert await refused(client.conversations_open(users="U0ALICE")) == "missing_scope"
    workspace.desk.scopes.add("users:read.email")
    assert (await client.users_lookupByEmail(email="Alice@acme.example"))["user"]["id"] == "U0ALICE"


async def test_the_directory_answers_what_is_there(clock: FakeClock) -> None:
    """People with zones and departures, groups, channels the bot may know, conversations opened."""
    scopes = ("im:write", "mpim:write", "channels:read", "groups:read", "team:read")
    async with running_workspace(WorkspaceConfig().with_scopes(*scopes), clock, wall=VirtualClock()) as workspace:
        client = sdk_client(workspace)
        erin = (await client.users_info(user="U0ERIN"))["user"]
        group = await client.conversations_open(users="U0ALICE,U0BOB")
        channels = (await client.conversations_list(types="public_channel,private_channel"))["channels"]
        carol = (await client.users_info(user="U0CAROL"))["user"]
        people = [item["id"] async for page in await client.users_list(limit=2) for item in page["members"]]
        groups = (await client.usergroups_list(include_users=True))["usergroups"]

        assert (erin["deleted"], carol["tz"], groups[0]["users"]) == (True, "America/New_York", ["U0BOB", "U0CAROL"])
        assert (group["channel"]["is_mpim"], len(people)) == (True, 6)
        assert "secret" not in {each["name"] for each in channels}
        assert (await client.usergroups_users_list(usergroup="S0APPROVERS"))["users"] == ["U0BOB", "U0CAROL"]
        assert await refused(client.usergroups_users_list(usergroup="S0NONE")) == "no_such_subteam"
        assert await refused(client.users_info(user="U0NONE")) == "user_not_found"
        assert "U0DAVE" in (await client.conversations_members(channel="C0OPS"))["members"]
        assert await refused(client.conversations_members(channel="C0SECRET")) == "channel_not_found"
        assert (await client.auth_test())["bot_id"] == workspace.config.bot_id
        assert (await client.bots_info(bot=workspace.config.bot_id))["bot"]["app_id"] == workspace.config.app_id
        assert (await client.team_info())["team"]["domain"] == "acme"


async def test_posts_to_one_channel_are_held_to_one_a_second_after_a_burst(
    workspace: SimulatedWorkspace, client: AsyncWebClient, clock: FakeClock
) -> None:
    """The sixth in the same instant gets 429 with Retry-After; another channel is free; a second later so is this."""
    for _ in range(5):
        await client.chat_postMessage(channel="C0OPS", text="x")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="C0OPS", text="x")

    assert (caught.value.response.status_code, caught.value.response["error"]) == (429, "ratelimited")
    assert caught.value.response.headers["Retry-After"] == "1"
    await client.chat_postMessage(channel="C0GENERAL", text="x")
    clock.advance(1)
    await client.chat_postMessage(channel="C0OPS", text="x")
    assert len(workspace.messages("ops")) == 6


async def test_a_method_is_held_to_its_tier(client: AsyncWebClient, clock: FakeClock) -> None:
    """chat.update lets fifty a minute through."""
    posted = await client.chat_postMessage(channel="C0OPS", text="x")
    for number in range(50):
        await client.chat_update(channel="C0OPS", ts=posted["ts"], text=str(number))

    assert await refused(client.chat_update(channel="C0OPS", ts=posted["ts"], text="y")) == "ratelimited"
    clock.advance(2)
    await client.chat_update(channel="C0OPS", ts=posted["ts"], text="y")


async def test_rates_can_be_switched_off(clock: FakeClock) -> None:
    """Then nothing is held back."""
    config = WorkspaceConfig()
    async with running_workspace(
        replace(config, rates=replace(config.rates, enforced=False)), clock, wall=VirtualClock()
    ) as workspace:
        for _ in range(20):
            await sdk_client(workspace).chat_postMessage(channel="C0OPS", text="x")
        assert len(workspace.messages("ops")) == 20


async def test_faults_come_as_ordered(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """A forced 429, an error, and an effect with a lost answer."""
    workspace.faults.ratelimit_next("chat.postMessage", retry_after=7)
    workspace.faults.fail_next("chat.postMessage", error="fatal_error")
    workspace.faults.lose_answer_next("chat.postMessage")

    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="C0OPS", text="a")
    assert caught.value.response.headers["Retry-After"] == "7"
    assert await refused(client.chat_postMessage(channel="C0OPS", text="b")) == "fatal_error"
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.chat_postMessage(channel="C0OPS", text="c")
    await client.chat_postMessage(channel="C0OPS", text="d")

    assert [each.text for each in workspace.messages("ops")] == ["c", "d"]
    assert [each.error for each in workspace.calls("chat.postMessage")] == ["ratelimited", "fatal_error", None, None]


async def test_the_log_keeps_calls_without_their_token(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """The request and the answer, never the secret."""
    await client.chat_postMessage(channel="C0OPS", text="x", unfurl_links=False)
    await client.apps_connections_open(app_token=workspace.config.app_token)

    assert workspace.calls("chat.postMessage")[0].args["unfurl_links"] is False
    assert "xoxb" not in str(workspace.log)
    assert "xapp" not in str(workspace.log)
    assert await refused(client.api_call("chat.nothing")) == "unknown_method"
