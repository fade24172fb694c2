"""`vpsops override` and `vpsops reviews`: at a terminal, for people that a rule names one by one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.break_glass.test_bot_overrides import REASON, opened
from tests.fakes.slack_bot import BotHarness, message_words
from tests.harness.internals import database_of
from tests.unit.cli.operations.terminal import FakeTerminal
from vpsops.cli.break_glass.reviews import list_reviews
from vpsops.core.app import Core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import ConfigurationError, InvalidInputError, NotAllowedError

NAME = "web01.example.com"
ALICE = 'override = ["alice@acme.example", "S0ONCALL"]'


@asynccontextmanager
async def held(directory: Path, override: str = ALICE) -> AsyncIterator[tuple[BotHarness, Core, Change]]:
    """Have Alice ask for a reboot at a terminal, which is held for a vote in Slack."""
    async with opened(directory, override) as (world, core):
        screen = terminal(world)
        assert await screen.run("reboot", "web01", "--because", "it hangs", "--wait", "1s") == 5
        (change,) = await core.changes.list(scope=OPERATOR)
        yield world, core, change


def terminal(world: BotHarness, *typed: str, human: str = "alice@acme.example", person: bool = True) -> FakeTerminal:
    settings = world.settings.model_copy(update={"actor": human})
    return FakeTerminal(settings, typed, person=person, accounts=None, timing=world.scene.timing)


@pytest.mark.requirement("override-own-change-alone")
async def test_a_named_person_runs_it_at_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal shows what happens and asks for reason and name; the approvers are notified in Slack."""
    async with held(tmp_path) as (world, core, change):
        screen = terminal(world, REASON, NAME)
        assert await screen.run("override", change.id) == 0
        assert "another of them has to review it in Slack" in screen.shown
        assert len(screen.asked) == 2
        call = await world.card("approvals", words="un without approval: ")
        assert REASON in message_words(call)
        await world.card("approvals", words="Reboot web01.example.com: done")
        assert world.effects("reboot") == 1
        assert await list_reviews(database_of(core), as_json=False) == 0
        listed = capsys.readouterr().out
        assert change.id in listed
        assert REASON in listed
        assert await list_reviews(database_of(core), as_json=True) == 0
        assert f'"change": "{change.id}"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "words"), [(("too short", NAME), "too short"), ((REASON, "web01"), "full name"), ((), "too short")]
)
async def test_wrong_words_change_nothing(tmp_path: Path, typed: tuple[str, ...], words: str) -> None:
    async with held(tmp_path) as (world, core, change):
        with pytest.raises(InvalidInputError, match=words):
            await terminal(world, *typed).run("override", change.id)
        assert (await core.changes.get(change.id, scope=OPERATOR)).state is State.HELD
        assert world.effects("reboot") == 0


@pytest.mark.requirement("override-own-change-alone")
async def test_a_script_cannot(tmp_path: Path) -> None:
    """What the answers would be does not matter: a program never overrides."""
    async with held(tmp_path) as (world, _, change):
        with pytest.raises(ConfigurationError, match="a person at a terminal"):
            await terminal(world, REASON, NAME, person=False).run("override", change.id, "--because", REASON)
        assert world.effects("reboot") == 0


async def test_another_person_cannot(tmp_path: Path) -> None:
    async with held(tmp_path) as (world, _, change):
        with pytest.raises(NotAllowedError, match="Only the person who asked"):
            await terminal(world, REASON, NAME, human="bob@acme.example").run("override", change.id)
        assert world.effects("reboot") == 0


@pytest.mark.parametrize("override", ['override = ["S0ONCALL"]', 'override = ["bob@acme.example", "S0ONCALL"]'])
async def test_a_group_cannot_be_read_at_a_terminal(tmp_path: Path, override: str) -> None:
    """The terminal has no token of Slack's; before anything is typed it says where it can be done."""
    async with held(tmp_path, override) as (world, _, change):
        screen = terminal(world, REASON, NAME)
        with pytest.raises(NotAllowedError, match="cannot read who is in it") as refused:
            await screen.run("override", change.id)
        assert f"/vps override {change.id}" in refused.value.hint
        assert screen.asked == []
        assert world.effects("reboot") == 0


async def test_no_open_review_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with opened(tmp_path) as (_, core):
        assert await list_reviews(database_of(core), as_json=False) == 0
        assert "No review" in capsys.readouterr().out
