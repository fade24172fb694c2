"""What an override and its review are counted by: words as they are kept, exact names, one's own workspace, now."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.unit.core.break_glass.test_overrides import BOB, overridden, policy, reviewed
from tests.unit.core.harness import ALICE, SLACK, Setup, Stage, staged
from vpsops.core.break_glass.rights import checked_reason, is_overridable
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.changes.serialization import FORMAT
from vpsops.core.common.errors import InvalidInputError, NotAllowedError
from vpsops.core.schedule.model import LaterRequest
from vpsops.core.service.change_queries import MAX_REVIEWS, ChangeQueries
from vpsops.core.service.dashboard import Onlooker
from vpsops.core.storage.tables import CHANGES, REVIEWS
from vpsops.core.workspaces.model import Workspace, Workspaces
from vpsops.playground.wayscloud.serve import SimulatorHandle

HIDDEN = "\u200b\u200c\u200d\u2060\ufeff" * 5
"""More characters than a reason needs, none of which is shown."""


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, Setup(policy=policy())) as set_stage:
        yield set_stage


@pytest.mark.parametrize("reason", [HIDDEN, f"down{HIDDEN}", "wayscloud_live_abcdefghijklmnopqrstuvwxyz"])
async def test_a_reason_counts_as_it_is_kept(stage: Stage, reason: str) -> None:
    """Characters that are not shown, and a key that is masked, are no reason."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    with pytest.raises(InvalidInputError, match="too short"):
        await overridden(stage, held, reason=reason)
    assert (await stage.changes.get(held.id, scope=OPERATOR)).state is State.HELD


async def test_a_hidden_character_makes_no_other_reason(stage: Stage) -> None:
    stage.server("web01")
    request = Request("reboot", {"server": "web01"}, ALICE, SLACK, reason="The shop is down since noon.")
    outcome = await stage.gate.submit(request, scope=OPERATOR)
    assert isinstance(outcome, Held)
    with pytest.raises(InvalidInputError, match="reason of the change itself"):
        await overridden(stage, outcome.change, reason="The shop is d\u200bown since noon.")


async def test_a_note_counts_as_it_is_kept(stage: Stage) -> None:
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    with pytest.raises(InvalidInputError, match="too short"):
        await reviewed(stage, held, note=HIDDEN)
    assert [change.id for change in await stage.changes.open_reviews(scope=OPERATOR)] == [held.id]


@pytest.mark.parametrize("typed", ["\u017fite01", "\uff53ite01", "site\u0660\u0661"])
async def test_letters_that_look_like_a_name_are_not_it(stage: Stage, typed: str) -> None:
    """Hostnames have no case in ASCII alone: the long s is not the letter s."""
    stage.server("site01")
    held = await stage.ask("reboot", server="site01")
    with pytest.raises(InvalidInputError, match="full name"):
        await overridden(stage, held, typed_name=typed)
    await overridden(stage, held, typed_name="SITE01")


async def test_other_workspaces_hide_no_open_review(stage: Stage) -> None:
    """A list is as long in a workspace as it would be without the others, however many reviews they leave open."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    await stage.rest(held.id)

    def add_older(connection: Connection) -> None:
        row = dict(connection.execute(sa.select(CHANGES).where(CHANGES.c.id == held.id)).mappings().one())
        review = dict(connection.execute(sa.select(REVIEWS)).mappings().one())
        for number in range(MAX_REVIEWS):
            ident, origin = f"chg_{number:012x}", {**row["origin"], "team": "T2"}
            connection.execute(sa.insert(CHANGES).values(**{**row, "id": ident, "origin": origin}))
            older = review["opened_at"] - number - 1
            connection.execute(sa.insert(REVIEWS).values(**{**review, "change_id": ident, "opened_at": older}))

    await stage.database.transact(add_older)
    spaces = Workspaces(several=True, known=(Workspace("T1", agents=True), Workspace("T2")))
    queries = ChangeQueries(replace(stage.backend, policy=replace(stage.policy, loaded_workspaces=spaces)))
    assert [change.id for change in await queries.open_reviews(scope=Scope("T1"))] == [held.id]
    seen = await queries.overview(Onlooker("T1", BOB, spaces.seen_from("T1")))
    assert [change.id for change in seen.reviews] == [held.id]


async def test_a_version_without_overrides_leaves_the_change_alone(stage: Stage) -> None:
    """A process of a version before them would end it for its missing votes: its format says that it cannot read it."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    row = await stage.database.read(lambda entry: entry.execute(sa.select(CHANGES.c.format)).scalar_one())
    assert row == FORMAT


@pytest.mark.requirement("override-own-change-alone")
async def test_what_runs_later_can_wait_for_votes(stage: Stage) -> None:
    """An emergency is now: a change with a time is not run without votes, and no one is offered that."""
    stage.server("web01")
    request = Request("reboot", {"server": "web01"}, ALICE, SLACK, later=LaterRequest("in 2h"))
    outcome = await stage.gate.submit(request, scope=OPERATOR)
    assert isinstance(outcome, Held)
    assert not is_overridable(outcome.change)
    with pytest.raises(NotAllowedError, match="runs later") as refused:
        await overridden(stage, outcome.change)
    assert "without a time" in refused.value.hint
    assert (await stage.changes.get(outcome.change.id, scope=OPERATOR)).state is State.HELD


@pytest.mark.parametrize("own", ["e", "E", "ee", ""])
def test_a_short_reason_of_the_change_takes_no_letters_from_anothers_words(own: str) -> None:
    """Only its words themselves are those of the change."""
    reason = "Three trees fell here."
    assert checked_reason(own, reason) == reason
