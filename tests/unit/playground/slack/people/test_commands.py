"""Slash commands from a person to a real Bolt app and back."""

from typing import Any

import anyio
import pytest
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncRespond
from slack_sdk.signature import SignatureVerifier

from tests.fakes.clock import FakeClock
from tests.harness.virtual_time import VirtualClock
from tests.unit.playground.slack.apps import bolt_app, over_http
from vpsops.core.common.errors import ConfigurationError
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.rendering.elements import NotOnScreenError
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig


async def test_a_command_is_acked_and_answered_again_through_its_response_url(workspace: SimulatedWorkspace) -> None:
    """The ack's text and a later answer both appear to the person alone."""
    app = bolt_app(workspace)

    @app.command("/vps")
    async def _(ack: AsyncAck, respond: AsyncRespond, command: dict[str, Any]) -> None:
        await ack(f"looking up {command['text']}")
        await respond(text="web01 runs", response_type="in_channel")

    async with over_http(workspace, app):
        delivery = await workspace.command("alice", "ops", "/vps", "status web01")

    assert (delivery.status, delivery.error, delivery.acked_in) == (200, None, 0.0)
    assert [each.text for each in workspace.ephemerals("alice", "ops")] == ["looking up status web01"]
    assert [each.text for each in workspace.messages("ops")] == ["web01 runs"]


async def test_the_sdk_verifies_the_signature_of_a_command(workspace: SimulatedWorkspace) -> None:
    """slack_sdk's own verifier accepts the body and headers as sent, and refuses them altered."""
    app = bolt_app(workspace)
    async with over_http(workspace, app):
        await workspace.command("alice", "ops", "/vps", "list")
    (body, headers), verifier = workspace.http.sent[0], SignatureVerifier(workspace.config.signing_secret)

    assert verifier.is_valid_request(body, headers)
    assert not verifier.is_valid_request(body + b"x", headers)


async def test_a_command_carries_the_fields_a_real_one_has(workspace: SimulatedWorkspace) -> None:
    """Ids, names, a trigger, a response address, and mentions escaped to ids."""
    app, seen = bolt_app(workspace), []

    @app.command("/vps")
    async def _(ack: AsyncAck, command: dict[str, Any]) -> None:
        seen.append(command)
        await ack()

    async with over_http(workspace, app):
        await workspace.command("alice", "ops", "/vps", "reboot web01 for @bob in #ops via @approvers <now>")

    fields = {"team_id": "T0ACME", "channel_id": "C0OPS", "channel_name": "ops", "user_id": "U0ALICE"}
    assert fields.items() <= seen[0].items()
    assert seen[0]["text"] == (
        "reboot web01 for <@U0BOB|bob> in <#C0OPS|ops> via <!subteam^S0APPROVERS|@approvers> &lt;now&gt;"
    )
    assert seen[0]["response_url"].startswith(f"{workspace.base_url}/hooks/commands/T0ACME/")


async def test_a_late_ack_shows_operation_timeout(workspace: SimulatedWorkspace, clock: FakeClock) -> None:
    """Three seconds without an answer and the person reads Slack's own error."""
    app, reached, finish = bolt_app(workspace), anyio.Event(), anyio.Event()

    @app.command("/vps")
    async def _(ack: AsyncAck) -> None:
        reached.set()
        await finish.wait()
        await ack("too late")

    outcome = []

    async def type_it() -> None:
        outcome.append(await workspace.command("alice", "ops", "/vps"))

    async with over_http(workspace, app):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(type_it)
            await reached.wait()
            clock.advance(3)
        finish.set()

    assert (outcome[0].error, outcome[0].timed_out, outcome[0].acked_in) == ("operation_timeout", True, None)
    assert workspace.ephemerals("alice") == []


async def test_the_same_delivery_arrives_as_often_as_asked(workspace: SimulatedWorkspace) -> None:
    """Copies share trigger and response address, as Slack's duplicates do, and may arrive at once."""
    app, seen = bolt_app(workspace), []

    @app.command("/vps")
    async def _(ack: AsyncAck, command: dict[str, Any]) -> None:
        seen.append(command["trigger_id"])
        await ack("ok")

    async with over_http(workspace, app):
        delivery = await workspace.command("alice", "ops", "/vps", duplicates=2, at_once=True)

    assert (len(seen), len(set(seen)), len(delivery.attempts)) == (3, 1, 3)
    assert len(workspace.ephemerals("alice")) == 1


async def test_an_unknown_command_or_an_absent_app_shows_an_error(workspace: SimulatedWorkspace) -> None:
    """A 404 and a refused connection have their own words."""
    async with over_http(workspace, bolt_app(workspace)):
        unknown = await workspace.command("alice", "ops", "/nothing")
    absent = await workspace.command("alice", "ops", "/vps")

    assert (unknown.error, absent.error) == ("http_client_error", "dispatch_failed")


async def test_an_ack_with_blocks_over_a_limit_shows_invalid_command_response(workspace: SimulatedWorkspace) -> None:
    """The limits hold for acks too, and the delivery names the problem."""
    app = bolt_app(workspace)

    @app.command("/vps")
    async def _(ack: AsyncAck) -> None:
        await ack(blocks=[{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], text="x")

    async with over_http(workspace, app):
        delivery = await workspace.command("alice", "ops", "/vps")

    assert delivery.error == "invalid_command_response"
    assert "less than 151 characters" in str(delivery.problems[0])
    assert workspace.ephemerals("alice") == []


async def test_an_event_the_app_fails_is_sent_again_on_slacks_schedule(
    workspace: SimulatedWorkspace, clock: FakeClock
) -> None:
    """At once, after a minute, after five more; each with its retry number, the event id unchanged."""
    app, seen = bolt_app(workspace), []

    @app.event("app_mention")
    async def _(body: dict[str, Any], request: Any) -> None:
        seen.append((body["event_id"], request.headers.get("x-slack-retry-num")))
        raise RuntimeError("not today")

    async with over_http(workspace, app):
        delivery = await workspace.mention("alice", "ops", "hello")
        await workspace.wait_for(lambda: len(delivery.attempts) == 2)
        clock.advance(60)
        await workspace.wait_for(lambda: len(delivery.attempts) == 3)
        clock.advance(300)
        await workspace.wait_for(lambda: len(delivery.attempts) == 4)

    assert len({event for event, _ in seen}) == 1
    assert [retry for _, retry in seen] == [None, ["1"], ["2"], ["3"]]


async def test_an_app_can_ask_for_no_retry(workspace: SimulatedWorkspace) -> None:
    """`X-Slack-No-Retry: 1` on a failure ends the matter."""
    app = bolt_app(workspace)

    @app.middleware
    async def _() -> BoltResponse:
        return BoltResponse(status=500, headers={"X-Slack-No-Retry": "1"})

    async with over_http(workspace, app):
        delivery = await workspace.mention("alice", "ops", "hello")
        await workspace.mention("alice", "ops", "hello again")

    assert [(each.status, each.no_retry) for each in delivery.attempts] == [(500, True)]


async def test_only_this_machine_is_served() -> None:
    """A workspace on a public address is refused before it listens."""
    with pytest.raises(ConfigurationError, match="this machine only"):
        async with running_workspace(WorkspaceConfig(host="0.0.0.0"), clock=VirtualClock(), wall=VirtualClock()):
            pass


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"X-Slack-Signature": "v0=" + "0" * 64}, 401),
        ({"X-Slack-Request-Timestamp": "1700000000"}, 401),
        ({"X-Slack-Request-Timestamp": "soon"}, 500),
    ],
)
async def test_what_strangers_send_reaches_the_app_as_sent(
    workspace: SimulatedWorkspace, change: dict[str, str], status: int
) -> None:
    """Raw deliveries carry exactly the bytes and headers given, so that edges can be tried."""
    async with over_http(workspace, bolt_app(workspace)):
        body = b"command=%2Fvps"
        headers = {"Content-Type": "application/x-www-form-urlencoded", **workspace.http.signed(body), **change}
        attempt = await workspace.raw_delivery(body, headers)

    assert attempt.status == status


async def test_nobody_types_where_they_are_not(workspace: SimulatedWorkspace) -> None:
    """A stranger to a private channel, and someone who left, can do nothing."""
    with pytest.raises(NotOnScreenError, match="does not see secret"):
        await workspace.command("bob", "secret", "/vps")
    with pytest.raises(NotOnScreenError, match="has left"):
        await workspace.command("erin", "ops", "/vps")
