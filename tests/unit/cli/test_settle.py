"""Settling at a terminal, without Slack: by the human who asked, who types the server's name."""

import argparse
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.fakes.accounts import EVERYBODY
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import AGENT, staged
from vpsops.cli import settle
from vpsops.core.app import open_core
from vpsops.core.audit import chain
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import ConfigurationError, NotAllowedError, StaleChangeError
from vpsops.core.config.settings import Settings
from vpsops.core.messaging.outbox import topic_of
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.wayscloud.serve import SimulatorHandle

ANN = "ann@example.com"
NAME = "web01.example.com"


async def unclear(url: str, provider: SimulatorHandle, state: State = State.NEEDS_PERSON) -> Change:
    """An agent's change with an unknown outcome; its human is Ann."""
    async with staged(url, provider) as stage:
        held = await stage.ask("reboot", replace(AGENT, human=ANN), server="web01")
        query = sa.update(CHANGES).where(CHANGES.c.id == held.id).values(state=state.value)
        await stage.change(held.id, lambda connection, _: connection.execute(query))
        return held


def settings(url: str, **more: str) -> Settings:
    return Settings.model_validate({"VPSOPS_DATABASE_URL": url, "VPSOPS_ACTOR": ANN, **more})


@pytest.mark.parametrize(("happened", "state"), [(True, State.SUCCEEDED), (False, State.FAILED)])
async def test_who_asked_says_what_became_of_it(
    database_url: str, provider: SimulatorHandle, happened: bool, state: State
) -> None:
    """The typed name settles it, on record, and frees the server."""
    change = await unclear(database_url, provider)
    asked: list[str] = []

    def ask(text: str) -> str:
        asked.append(text)
        return NAME

    code = await settle.settle(settings(database_url), change.id, happened, ask, VirtualClock())
    async with open_core(settings(database_url), front="cli", clock=VirtualClock(), accounts=EVERYBODY) as core:
        after = await core.changes.get(change.id, scope=OPERATOR)
        last = (await database_of(core).read(chain.read))[-1]
    assert (code, after.state, after.note.split(" checked")[0]) == (0, state, ANN)
    assert (last.event, last.body["evidence"]) == ("resolved", "typed at a terminal")
    assert NAME in asked[0]


async def test_another_name_settles_nothing(database_url: str, provider: SimulatorHandle) -> None:
    """Enter alone, or the wrong server, leaves the change as it is."""
    change = await unclear(database_url, provider)
    typed = iter(("", "db01.example.com", "yes"))
    for _ in range(3):
        assert await settle.settle(settings(database_url), change.id, True, lambda _: next(typed), VirtualClock()) == 1
    async with open_core(settings(database_url), front="cli", clock=VirtualClock(), accounts=EVERYBODY) as core:
        assert (await core.changes.get(change.id, scope=OPERATOR)).state is State.NEEDS_PERSON


async def test_somebody_else_may_not(database_url: str, provider: SimulatorHandle) -> None:
    """Another human is not the one who asked."""
    change = await unclear(database_url, provider)
    with pytest.raises(NotAllowedError, match="not among those"):
        await settle.settle(
            settings(database_url, VPSOPS_ACTOR="bob@example.com"), change.id, True, lambda _: NAME, VirtualClock()
        )


async def test_what_is_clear_is_not_settled(database_url: str, provider: SimulatorHandle) -> None:
    """A change that does not wait to be settled is left alone, before any question."""
    change = await unclear(database_url, provider, State.WATCHING)
    with pytest.raises(StaleChangeError, match="it is watching"):
        await settle.settle(settings(database_url), change.id, True, lambda _: pytest.fail("asked"), VirtualClock())


async def test_where_there_is_slack_it_is_said_there(database_url: str, provider: SimulatorHandle) -> None:
    """A set-up with Slack, here or in another process that posted the card, settles by a click alone."""
    change = await unclear(database_url, provider)
    with pytest.raises(ConfigurationError, match="in Slack"):
        await settle.settle(
            settings(database_url, SLACK_BOT_TOKEN="xoxb-1"), change.id, True, lambda _: NAME, VirtualClock()
        )
    async with open_core(settings(database_url), front="cli", clock=VirtualClock(), accounts=EVERYBODY) as core:
        await core.outbox.remember(topic_of(change.id), "voters", "C1", "1.2")
    with pytest.raises(ConfigurationError, match="in Slack"):
        await settle.settle(settings(database_url), change.id, True, lambda _: NAME, VirtualClock())


def test_a_pipe_settles_nothing() -> None:
    """Without a terminal there is no person to ask."""
    with pytest.raises(ConfigurationError, match="at a terminal"):
        settle.run(argparse.Namespace(id="chg_1", settle="happened"))
