"""The terminal where Slack decides, and where what is true changes between the question and the request."""

import pytest

from tests.harness.virtual_time import VirtualClock
from tests.unit.cli.operations.test_commands import ALLOWED, APPROVED_DELETES, Make, count, newest, terminal
from vpsops.core.app import open_core
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import DryRun, Held, Request
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.service.gate import Gate
from vpsops.playground.wayscloud.serve import SimulatorHandle

__all__ = ["terminal"]  # a fixture
BOB = Actor(ActorKind.PERSON, "U0BOB", "bob", "U0BOB", account="U0BOB")
CONFIRM = ALLOWED.format(decision="confirm")
FREE = (
    ALLOWED.format(decision="allow")
    + '[[rule]]\nid = "slack"\norigin = "slack"\noperation = "reboot"\ndecision = "confirm"\n'
    + APPROVED_DELETES
)


async def serve_slack(settings: Settings) -> None:
    """Leave a message of a bot in the database."""
    async with open_core(settings, front="cli", clock=VirtualClock()) as core:
        await core.outbox.remember("change:chg_1", "card", "C1", "1.000001")


@pytest.mark.parametrize("words", [("stop", "web01"), ("stop", "web01", "--yes"), ("ask", "stop", "web01")])
@pytest.mark.parametrize("typed", ["", "y"])
async def test_a_program_is_asked_nothing_and_its_hold_is_reported(
    terminal: Make, words: tuple[str, ...], typed: str
) -> None:
    """Its human answers in Slack: exit code 5, and the change stays held."""
    screen = terminal(typed, policy=CONFIRM, person=False, human="slack:U0ANN")
    await serve_slack(screen.settings)
    code = await screen.run(*words)
    assert screen.asked == []
    if await count(screen.settings):
        assert (code, (await newest(screen.settings)).state) == (5, State.HELD)
    else:
        assert code == 6


async def test_a_terminal_without_an_account_changes_nothing_where_a_bot_was(terminal: Make) -> None:
    """The bot's settings need not be this process's."""
    screen = terminal("y", policy=CONFIRM, human="")
    await serve_slack(screen.settings)
    assert await screen.run("stop", "web01") == 6
    assert await count(screen.settings) == 0


@pytest.mark.parametrize("person", [True, False])
async def test_a_refusal_that_ends_meanwhile_does_not_skip_the_typed_name(
    terminal: Make, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch, person: bool
) -> None:
    """A server that was reserved is free again a moment later: it is not deleted without its name."""
    dry_run = Gate.dry_run

    async def reserved(gate: Gate, request: Request, *, scope: Scope) -> DryRun:
        reboot = Request("reboot", {"server": "web01"}, BOB, Origin("slack", "T1", "C1"), can_confirm=True)
        held = await gate.submit(reboot, scope=OPERATOR)
        assert isinstance(held, Held)
        dry = await dry_run(gate, request, scope=scope)
        await gate.cancel(held.change.id, BOB, scope=OPERATOR)
        return dry

    monkeypatch.setattr(Gate, "dry_run", reserved)
    screen = terminal(policy=FREE, person=person, human="slack:U0ANN")
    assert await screen.run("delete", "web01") == 6
    assert await count(screen.settings) == 1
    assert provider.simulator.world.counts["delete"] == 0
