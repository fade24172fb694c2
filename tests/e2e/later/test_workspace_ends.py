"""Servers with an end in several workspaces: an owner is looked for where they asked."""

from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.later.test_slack_ends import ORDER, bring, reach
from tests.fakes.slack_bot import message_words
from tests.fakes.slack_many import TABLES, stage
from vpsops.core.app import Core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.ends.model import EndState
from vpsops.core.identity.actors import Actor, ActorKind, Origin

DELETIONS: Final = '\n[[rule]]\nid = "deletions"\noperation = "delete"\ndecision = "approve"\n'
ZOE: Final = Actor(ActorKind.PERSON, "U0ZOE", "zoe", "U0ZOE", account="U0ZOE")
BOB: Final = Actor(ActorKind.PERSON, "U0BOB", "bob", "U0BOB", account="U0BOB")
PEOPLE: Final = {
    "of another workspace": (ZOE, Origin("slack", "T0BETA", "C0BOPS"), "approvals"),
    "of the agents' workspace": (BOB, Origin("slack", "T0ACME", "C0OPS"), "approvals"),
}


async def server_of(core: Core, owner: Actor, origin: Origin) -> Change:
    """Have a person make a server for two hours."""
    scope = Scope(team=origin.team)
    outcome = await core.gate.submit(Request("create", ORDER, owner, origin, can_confirm=True), scope=scope)
    assert isinstance(outcome, Held), outcome
    await core.gate.confirm(outcome.change.id, owner, outcome.change.digest, scope=scope)
    change = await core.changes.wait(outcome.change.id, seconds=300, scope=OPERATOR)
    assert change.state is State.SUCCEEDED, change.note
    return change


@pytest.mark.requirement("end-asks-for-deletion")
@pytest.mark.parametrize(("owner", "origin", "channel"), PEOPLE.values(), ids=PEOPLE)
async def test_the_deletion_is_asked_for_in_the_owners_own_workspace(
    tmp_path: Path, owner: Actor, origin: Origin, channel: str
) -> None:
    """The agents' workspace knows no such account, and is not asked for it."""
    async with stage(tmp_path, TABLES + DELETIONS) as both:
        for team in ("T0ACME", "T0BETA"):
            assert (await both.install(team))[0] == 200
        change = await server_of(both.core, owner, origin)
        await bring(both.core, change, timedelta(seconds=2))
        end = await reach(both.core, change, EndState.STOPPED)
        assert end.delete_id, end.note
        card = await both.card(origin.team, channel, "Delete load01.example.com")
        assert "its end asks for this" in message_words(card)
        asked = [call.args for call in both.slack["T0ACME"].calls("users.info")]
        assert ("U0ZOE" in str(asked)) is False


@pytest.mark.requirement("end-owner-left")
async def test_an_owner_who_left_another_workspace_asks_for_nothing(tmp_path: Path) -> None:
    """Whatever account of the same name another workspace has."""
    async with stage(tmp_path, TABLES + DELETIONS) as both:
        for team in ("T0ACME", "T0BETA"):
            assert (await both.install(team))[0] == 200
        change = await server_of(both.core, ZOE, Origin("slack", "T0BETA", "C0BOPS"))
        both.slack["T0BETA"].deactivate("zoe")
        await bring(both.core, change, timedelta(seconds=2))
        end = await reach(both.core, change, EndState.STOPPED)
        assert (end.delete_id, "that account is deactivated" in end.note) == ("", True)
