"""A stranger's bot on the simulated workspace: Bolt and slack_sdk as they come, and Slack's own refusals."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from tests.unit.playground.slack.apps import over_http, over_socket
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.web import manifest

MANIFEST: Final = """
features:
  bot_user:
    display_name: deployer
  slash_commands:
    - command: /deploy
      description: Ship it
oauth_config:
  scopes:
    bot:
      - commands
      - chat:write # messages
      - channels:read
      - users:read
"""
FORM: Final = {
    "type": "modal",
    "callback_id": "ship",
    "title": {"type": "plain_text", "text": "Ship"},
    "submit": {"type": "plain_text", "text": "Go"},
    "blocks": [
        {
            "type": "input",
            "block_id": "what",
            "label": {"type": "plain_text", "text": "What"},
            "element": {"type": "plain_text_input", "action_id": "what"},
        }
    ],
}


def stranger(workspace: SimulatedWorkspace) -> AsyncApp:
    """A bot that knows nothing of vpsops: a command opens a form, the form posts what was entered."""
    client = AsyncWebClient(token=workspace.config.bot_token, base_url=workspace.api_url)
    app = AsyncApp(client=client, signing_secret=workspace.config.signing_secret)

    @app.command("/deploy")
    async def deploy(ack: Any, body: Any, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    @app.view("ship")
    async def ship(ack: Any, view: Any, client: AsyncWebClient) -> None:
        await ack()
        what = view["state"]["values"]["what"]["what"]["value"]
        await client.chat_postMessage(channel="#ops", text=f"shipping {what}")

    return app


@pytest.fixture
async def workspace() -> AsyncIterator[SimulatedWorkspace]:
    config = WorkspaceConfig(scopes=manifest.scopes(MANIFEST), bot_name=manifest.bot_name(MANIFEST))
    async with running_workspace(config, VirtualClock(), wall=VirtualClock()) as running:
        yield running


@pytest.fixture
def client(workspace: SimulatedWorkspace) -> AsyncWebClient:
    return AsyncWebClient(token=workspace.config.bot_token, base_url=workspace.api_url)


async def refusal(call: Any) -> Any:
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response


@pytest.mark.parametrize("line", [over_http, over_socket])
async def test_a_bolt_app_serves_a_command_and_a_form(workspace: SimulatedWorkspace, line: Any) -> None:
    """By signed HTTP and by Socket Mode; nothing of it is written for the simulator but the address."""
    async with line(workspace, stranger(workspace)):
        sent = await workspace.command("alice", "ops", "/deploy")
        assert sent.error is None
        form = await workspace.wait_for(lambda: workspace.modal("alice"))
        assert form is not None
        await workspace.submit_view("alice", form, {"what": "v2"})
        await eventually(lambda: [message.text for message in workspace.messages("ops")] == ["shipping v2"])
    assert workspace.desk.state.users[workspace.messages("ops")[0].user].name == "deployer"


@pytest.mark.requirement("slack-simulator-strict")
@pytest.mark.parametrize(
    ("call", "needed"),
    [
        (lambda client: client.users_lookupByEmail(email="bob@acme.example"), "users:read.email"),
        (lambda client: client.usergroups_list(), "usergroups:read"),
        (lambda client: client.conversations_info(channel="C0APPROVALS"), "groups:read"),
        (lambda client: client.conversations_list(types="public_channel,private_channel"), "groups:read"),
        (lambda client: client.conversations_list(types="im,mpim"), "im:read,mpim:read"),
        (lambda client: client.conversations_open(users="U0BOB"), "im:write,mpim:write,channels:manage,groups:write"),
    ],
)
async def test_a_scope_that_was_not_granted_is_named(client: AsyncWebClient, call: Any, needed: str) -> None:
    """With those that were, as Slack lists them."""
    response = await refusal(call(client))
    assert response["error"] == "missing_scope"
    assert response["needed"] == needed
    assert response["provided"] == "channels:read,chat:write,commands,users:read"


async def test_an_address_is_not_given_without_its_scope(client: AsyncWebClient) -> None:
    response = await client.users_info(user="U0BOB")
    assert "email" not in response["user"]["profile"]


@pytest.mark.parametrize("name", ["#ops", "ops", "#OPS", "c0ops"])
async def test_a_channel_is_read_by_its_id_and_by_nothing_else(client: AsyncWebClient, name: str) -> None:
    """Slack takes names for posts alone."""
    for call in (client.conversations_info(channel=name), client.conversations_members(channel=name)):
        assert (await refusal(call))["error"] == "channel_not_found"
    posted = await client.chat_postMessage(channel="#ops", text="by name")
    assert posted["channel"] == "C0OPS"
    for call in (
        client.chat_update(channel=name, ts=posted["ts"], text="changed"),
        client.chat_getPermalink(channel=name, message_ts=posted["ts"]),
    ):
        assert (await refusal(call))["error"] == "channel_not_found"


@pytest.mark.requirement("slack-simulator-strict")
async def test_a_bot_posts_where_it_is_a_member(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """Elsewhere it is not in the channel, or there is none for it; an invitation changes that."""
    assert (await refusal(client.chat_postMessage(channel="C0NOBOT", text="x")))["error"] == "not_in_channel"
    assert (await refusal(client.chat_postMessage(channel="#nobot", text="x")))["error"] == "not_in_channel"
    assert (await refusal(client.chat_postMessage(channel="C0SECRET", text="x")))["error"] == "channel_not_found"
    assert (await refusal(client.chat_postMessage(channel="#secret", text="x")))["error"] == "channel_not_found"
    assert (await refusal(client.chat_postMessage(channel="C0OLD", text="x")))["error"] == "is_archived"
    workspace.invite("nobot", "deployer")
    assert (await client.chat_postMessage(channel="#nobot", text="x"))["channel"] == "C0NOBOT"


async def test_a_scope_opens_public_channels_to_posts() -> None:
    """chat:write.public is for public channels that the bot is not in, and for posts alone."""
    config = WorkspaceConfig(scopes=manifest.scopes(MANIFEST)).with_scopes("chat:write.public")
    async with running_workspace(config, VirtualClock(), wall=VirtualClock()) as workspace:
        client = AsyncWebClient(token=config.bot_token, base_url=workspace.api_url)
        posted = await client.chat_postMessage(channel="C0NOBOT", text="x")
        assert posted["channel"] == "C0NOBOT"
        assert (await refusal(client.chat_postMessage(channel="C0SECRET", text="x")))["error"] == "channel_not_found"
        ephemeral = client.chat_postEphemeral(channel="C0NOBOT", user="U0ALICE", text="x")
        assert (await refusal(ephemeral))["error"] == "not_in_channel"
