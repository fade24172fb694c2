"""Changes that wait as the provider asks: approved, nothing sent, shown to people, over restarts, until they lapse."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import AGENT, ALICE, BOUND, VOTERS, Setup, Stage, staged
from vpsops.bot.messages.change_card import change_card
from vpsops.cli.changes import detail
from vpsops.core.authorization.hold_offs import hold_off
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.diagnostics.database import check_hold_offs, check_queues
from vpsops.mcp_server.presenters.changes import change_text
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

WAIT_SECONDS = 5.0
TIMING = replace(QUICK, late_limit=10.0, confirm_seconds=10.0, approve_seconds=30.0)


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, Setup(TIMING)) as made:
        yield made


async def deferred(stage: Stage, change_id: str) -> Change:
    """Return a change once it waits for the provider."""
    change = await stage.changes.wait(
        change_id, seconds=BOUND, until=lambda current: current.deferred or current.state.final, scope=OPERATOR
    )
    assert change.deferred, (change.state, change.note)
    return change


async def ended(stage: Stage, change_id: str) -> Change:
    """Return a change at its end, however long the provider asked to wait."""
    return await stage.changes.wait(change_id, seconds=BOUND, scope=OPERATOR)


async def wish(stage: Stage, change: Change, seconds: float) -> None:
    """Let the provider have asked to wait with a change's target."""
    now = stage.clock.now().timestamp()
    await stage.database.transact(lambda connection: hold_off(connection, change, now, seconds))


@pytest.mark.requirement("hold-off-concerns-its-target")
async def test_a_429_of_one_server_is_waited_for_and_holds_no_other_back(stage: Stage) -> None:
    """The text states the wait, and it is sent once the time is over; another server's start does not wait."""
    stage.fault("status", "stop", "web.example.com", status=429, retry_after=WAIT_SECONDS, times=1)
    web = await stage.confirmed("stop", server=stage.server("web.example.com").id)
    waiting = await deferred(stage, web.id)
    refused = stage.provider.simulator.journal.entries(operation="stop")[-1].at
    assert waiting.not_before is not None
    assert "It was not sent again yet: the provider asks to wait until" in waiting.note
    assert "with this server. It is sent again then, unless it is cancelled." in waiting.note
    other = await stage.done("stop", server=stage.server("db.example.com").id)
    assert (other.state, "deferred" in await stage.events(other.id)) == (State.SUCCEEDED, False)
    assert (await ended(stage, web.id)).state is State.SUCCEEDED
    assert (stage.asked("stop"), stage.effects("stop", "web.example.com")) == (3, 1)
    again = stage.provider.simulator.journal.entries(operation="stop")[-1].at
    assert (again - refused).total_seconds() >= WAIT_SECONDS
    assert (await stage.events(web.id)).endswith("outcome_unknown not_processed deferred sending sent succeeded")


@pytest.mark.requirement("hold-off-concerns-its-target")
async def test_a_second_429_from_elsewhere_holds_every_write_back(database_url: str, provider: SimulatorHandle) -> None:
    """Every process holds back; approved changes wait, and each is done once in the end."""
    async with staged(database_url, provider) as first, staged(database_url, provider, Setup(front="mcp")) as second:
        third = await second.ask("stop", server=second.server("mail.example.com").id)
        changes = []
        for name in ("web.example.com", "db.example.com"):
            first.fault("status", "stop", name, status=429, retry_after=WAIT_SECONDS, times=1)
            changes.append(await first.confirmed("stop", server=first.server(name).id))
        for change in changes:
            await deferred(first, change.id)
        await second.gate.confirm(third.id, ALICE, third.digest, scope=OPERATOR)
        waiting = await deferred(second, third.id)
        assert waiting.note.startswith("Nothing was sent yet: the provider asks to wait until")
        assert "with all changes. It is sent then" in waiting.note
        assert first.effects("stop") == 0
        for change in (*changes, third):
            assert (await ended(first, change.id)).state is State.SUCCEEDED
        refused = min(entry.at for entry in provider.simulator.journal.entries(operation="stop"))
        effects = [effect.at for effect in provider.simulator.world.counted("stop")]
        assert len(effects) == 3
        assert all((at - refused).total_seconds() >= WAIT_SECONDS for at in effects)


async def test_what_waits_survives_the_process(database_url: str, provider: SimulatorHandle) -> None:
    """The next process sends it, after the time and not before."""
    async with staged(database_url, provider) as first:
        held = await first.ask("stop", server=first.server("web.example.com").id)
        await wish(first, held, WAIT_SECONDS)
        await first.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        until_when = (await deferred(first, held.id)).not_before
    async with staged(database_url, provider) as second:
        await second.engine.start()
        change = await ended(second, held.id)
    assert (change.state, change.not_before, second.effects("stop")) == (State.SUCCEEDED, None, 1)
    assert until_when is not None
    assert change.sent_at is not None
    assert change.sent_at >= until_when


async def test_a_wish_that_is_longer_than_the_yes_ends_the_change(stage: Stage) -> None:
    """A stop is not wanted an hour after its approval: it fails at once, and other servers' changes do not."""
    stage.fault("status", "stop", "web.example.com", status=429, retry_after=3600)
    failed = await stage.done("stop", server=stage.server("web.example.com").id)
    assert (failed.state, stage.asked("stop")) == (State.FAILED, 1)
    again = await stage.done("stop", server=failed.target.id)
    assert (again.state, stage.asked("stop")) == (State.FAILED, 1)
    assert again.note.startswith("Nothing was sent: the provider asks to wait until")
    assert "and the yes to it counts until" in again.note
    assert (await stage.done("stop", server=stage.server("db.example.com").id)).state is State.SUCCEEDED


async def test_approvers_give_it_as_long_as_they_may_take(stage: Stage) -> None:
    """Votes may be given for half a minute here, so an approved change waits longer than after a confirmation."""
    held = await stage.ask("stop", AGENT, server=stage.server("web.example.com").id)
    await wish(stage, held, 12.0)
    for voter in VOTERS[:2]:
        await stage.gate.vote(held.id, voter, Verdict.APPROVE, held.digest, scope=OPERATOR)
    await deferred(stage, held.id)
    assert (await ended(stage, held.id)).state is State.SUCCEEDED


async def test_an_old_yes_sends_nothing(database_url: str, provider: SimulatorHandle) -> None:
    """What no process could take up while its yes counted is not sent by the one that comes at last."""
    setup = Setup(TIMING)
    async with staged(database_url, provider, setup) as first:
        held = await first.ask("stop", server=first.server("web.example.com").id)
        await wish(first, held, WAIT_SECONDS)
        await first.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        await deferred(first, held.id)
    await VirtualClock().sleep(TIMING.late_limit)
    async with staged(database_url, provider, setup) as second:
        await second.engine.start()
        change = await ended(second, held.id)
    assert (change.state, second.asked("stop")) == (State.FAILED, 0)
    assert change.note.startswith("Nothing was sent. Its approval ran out before it could be sent.")


async def test_what_waits_can_be_cancelled(stage: Stage) -> None:
    """Its asker cancels it; nothing is sent when the time comes."""
    held = await stage.ask("stop", server=stage.server("web.example.com").id)
    await wish(stage, held, WAIT_SECONDS)
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    await deferred(stage, held.id)
    cancelled = await stage.gate.cancel(held.id, ALICE, scope=OPERATOR)
    assert (cancelled.state, cancelled.not_before) == (State.CANCELLED, None)
    await stage.clock.sleep(2 * WAIT_SECONDS)
    assert stage.asked("stop") == 0


async def test_a_pause_cancels_what_an_agent_waits_with_at_once(stage: Stage) -> None:
    """At once, not when its time comes: agents may be resumed by then. A person's change keeps waiting."""
    held = await stage.ask("stop", AGENT, server=stage.server("web.example.com").id)
    own = await stage.ask("stop", server=stage.server("db.example.com").id)
    for change in (held, own):
        await wish(stage, change, WAIT_SECONDS)
    for voter in VOTERS[:2]:
        await stage.gate.vote(held.id, voter, Verdict.APPROVE, held.digest, scope=OPERATOR)
    await stage.gate.confirm(own.id, ALICE, own.digest, scope=OPERATOR)
    for change in (held, own):
        await deferred(stage, change.id)
    await stage.gate.pause_agents(ALICE, paused=True, scope=OPERATOR)
    assert (await stage.rest(held.id)).state is State.CANCELLED
    assert (await stage.changes.get(own.id, scope=OPERATOR)).deferred


async def test_a_wish_that_comes_while_a_write_is_prepared_is_kept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hold is checked once more in the transaction that would store the sending."""
    held = await stage.ask("stop", server=stage.server("web.example.com").id)
    read_server = stage.engine._runner.api.get_server
    refused = False

    async def slow(server_id: str) -> object:
        nonlocal refused
        if not refused:
            refused = True
            await wish(stage, held, WAIT_SECONDS)
        return await read_server(server_id)

    monkeypatch.setattr(type(stage.engine._runner.api), "get_server", lambda _, server_id: slow(server_id))
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    await deferred(stage, held.id)
    assert (stage.asked("stop"), "sending" in await stage.events(held.id)) == (0, False)


async def test_people_read_that_it_waits(stage: Stage) -> None:
    """On the card, in the tool's answer and at the terminal; doctor counts it apart from what no process runs."""
    held = await stage.ask("stop", server=stage.server("web.example.com").id)
    await wish(stage, held, WAIT_SECONDS)
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    change = await deferred(stage, held.id)
    asks = "the provider asks to wait until"
    assert "waits, as the provider asks" in change_text(change, tools=True)
    assert asks in change_text(change, tools=True)
    card = str(change_card(change, stage.clock.now()))
    assert asks in card
    assert "approved, waiting for the provider" in card
    assert change.not_before is not None
    assert detail(change)["waits"] == f"until {change.not_before:%Y-%m-%d %H:%M:%SZ}"
    assert asks in detail(change)["note"]
    (result,) = await check_hold_offs(stage.database, Settings())
    assert "1 approved changes wait, as the provider asks (429): server:" in result.what
    (queues,) = await check_queues(stage.database, Settings())
    assert queues.what.startswith("0 changes to run")
