"""Bolt's own Socket Mode handler on the workspace's WebSockets."""

from typing import Any

import anyio
from slack_bolt.async_app import AsyncAck

from tests.fakes.clock import FakeClock
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.playground.slack.apps import bolt_app, over_socket
from vpsops.playground.slack.people.model import SimulatedWorkspace


async def test_a_command_over_socket_mode_is_acked_by_its_envelope(workspace: SimulatedWorkspace) -> None:
    """The ack carries the envelope's id and its payload is shown to the person."""
    app = bolt_app(workspace)

    @app.command("/vps")
    async def _(ack: AsyncAck) -> None:
        await ack("one server")

    async with over_socket(workspace, app):
        delivery = await workspace.command("alice", "ops", "/vps", "list")

    assert delivery.ack == {"text": "one server"}
    assert [each["envelope_id"] for each in workspace.socket.acks] == [workspace.socket.sent[0]["envelope_id"]]
    assert [each.text for each in workspace.ephemerals("alice", "ops")] == ["one server"]


async def test_an_unhandled_command_stays_open_and_is_sent_again(
    workspace: SimulatedWorkspace, clock: FakeClock
) -> None:
    """Bolt answers 404 to an unknown command, so no ack goes out and Slack delivers the envelope once more."""
    app = bolt_app(workspace)
    async with over_socket(workspace, app), anyio.create_task_group() as tasks:
        outcome: list[Any] = []

        async def type_it() -> None:
            outcome.append(await workspace.command("alice", "ops", "/other"))

        tasks.start_soon(type_it)
        await workspace.wait_for(lambda: workspace.socket.sent)
        clock.advance(3)
        await workspace.wait_for(lambda: len(workspace.socket.sent) == 2)

    assert outcome[0].error == "operation_timeout"
    first, second = workspace.socket.sent
    assert (first["envelope_id"], second["retry_attempt"]) == (second["envelope_id"], 1)


async def test_a_refreshed_connection_is_replaced_by_the_app(workspace: SimulatedWorkspace) -> None:
    """After a disconnect notice the app opens a new WebSocket and gets what comes next."""
    app = bolt_app(workspace)

    @app.command("/vps")
    async def _(ack: AsyncAck) -> None:
        await ack("here")

    async with over_socket(workspace, app):
        await workspace.socket.disconnect("refresh_requested")
        with anyio.fail_after(PATIENCE_SECONDS):
            delivery = await workspace.command("alice", "ops", "/vps", transport="socket")

    assert delivery.error is None
    assert len(workspace.calls("apps.connections.open")) == 2


async def test_an_envelope_lost_with_its_connection_is_sent_on_the_next(workspace: SimulatedWorkspace) -> None:
    """A cut connection takes no ack with it: the same envelope goes out again once the app is back."""
    app, reached = bolt_app(workspace), anyio.Event()
    lost = anyio.Event()
    runs: list[str] = []

    @app.command("/vps")
    async def _(ack: AsyncAck) -> None:
        runs.append("run")
        reached.set()
        await lost.wait()
        await ack("kept")

    async with over_socket(workspace, app), anyio.create_task_group() as tasks:
        outcome: list[Any] = []

        async def type_it() -> None:
            outcome.append(await workspace.command("alice", "ops", "/vps"))

        tasks.start_soon(type_it)
        await reached.wait()
        workspace.socket.drop()
        with anyio.fail_after(PATIENCE_SECONDS):
            await workspace.socket.connected()
        lost.set()

    assert outcome[0].error is None
    assert runs == ["run", "run"]
