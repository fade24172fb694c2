"""Slash commands from a person to a real Bolt app and back."""

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncRespond
from slack_sdk.signature import SignatureVerifier

from playground.slack.workspace import Workspace
from tests.unit.slack_workspace.conftest import bolt_app, over_http


async def test_a_command_is_acked_and_answered_again_through_its_response_url(workspace: Workspace) -> None:
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


async def test_the_sdk_verifies_the_signature_of_a_command(workspace: Workspace) -> None:
    """slack_sdk's own verifier accepts the body and headers as sent, and refuses them altered."""
    app = bolt_app(workspace)
    async with over_http(workspace, app):
        await workspace.command("alice", "ops", "/vps", "list")
    (body, headers), verifier = workspace.http.sent[0], SignatureVerifier(workspace.config.signing_secret)

    assert verifier.is_valid_request(body, headers)
    assert not verifier.is_valid_request(body + b"x", headers)
