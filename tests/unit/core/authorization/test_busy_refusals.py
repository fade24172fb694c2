"""The refusal behind another change: what waits for whom until when, and only what its reader can do."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.clock import START
from tests.unit.core.harness import AGENT, ALICE
from tests.unit.core.sample import change
from vpsops.core.authorization.refusals import busy_refusal
from vpsops.core.changes.model import State
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.policy.decision import Decision, Ruling

BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2", account="U2")
OTHER_AGENT = replace(AGENT, human="slack:U2", account="U2")
CONFIRM, APPROVE = Ruling(Decision.CONFIRM), Ruling(Decision.APPROVE, votes=1)
UNTIL = ", until 2027-01-04 09:15 UTC (chg_1)."
OWN_AGENT = replace(AGENT, account="U1")


def refusal(first: Actor, ruling: Ruling, reader: Actor, front: str = "slack", **more: Any) -> tuple[str, str]:
    """Return the reason and the hint."""
    values = {
        "state": State.HELD,
        "actor": first,
        "ruling": ruling,
        "expires_at": START + timedelta(minutes=15),
        **more,
    }
    refused = busy_refusal(change("reboot", **values), reader, front)
    assert refused.change is not None
    return refused.reason, refused.hint


@pytest.mark.requirement("who-waits-for-what")
@pytest.mark.parametrize(
    ("first", "ruling", "reader", "reason"),
    [
        (ALICE, CONFIRM, ALICE, "Your reboot of web01.example.com waits for you to confirm it"),
        (OWN_AGENT, CONFIRM, OWN_AGENT, "Your reboot of web01.example.com waits for the human of the agent that calls"),
        (
            OWN_AGENT,
            CONFIRM,
            ALICE,
            "The reboot of web01.example.com, requested by your agent, waits for you to confirm",
        ),
        (ALICE, CONFIRM, OWN_AGENT, "The reboot of web01.example.com, requested by your human, waits for alice to"),
        (ALICE, CONFIRM, BOB, "The reboot of web01.example.com, requested by alice, waits for alice to confirm it"),
        (ALICE, APPROVE, BOB, "The reboot of web01.example.com, requested by alice, waits for approval"),
    ],
)
def test_it_says_what_waits_for_whom_until_when(first: Actor, ruling: Ruling, reader: Actor, reason: str) -> None:
    """With the id, for those who follow it by that."""
    text, _ = refusal(first, ruling, reader)
    assert text.startswith(reason)
    assert text.endswith(UNTIL)


@pytest.mark.parametrize(
    ("first", "ruling", "reader", "front", "hint"),
    [
        (ALICE, CONFIRM, BOB, "slack", "set it aside with /vps cancel chg_1"),
        (ALICE, CONFIRM, OTHER_AGENT, "mcp", "In Slack a full member can set it aside."),
        (ALICE, APPROVE, BOB, "slack", "those who may approve it can deny it"),
        (ALICE, CONFIRM, ALICE, "slack", "or cancel chg_1 first"),
    ],
)
def test_it_advises_what_the_reader_can_do(first: Actor, ruling: Ruling, reader: Actor, front: str, hint: str) -> None:
    """One's own is cancelled, another's unconfirmed one set aside, another's approval denied by its approvers."""
    assert hint in refusal(first, ruling, reader, front)[1]


@pytest.mark.parametrize("state", [State.APPROVED, State.SENDING, State.WATCHING, State.UNKNOWN, State.NEEDS_PERSON])
@pytest.mark.parametrize("reader", [ALICE, BOB, OTHER_AGENT])
def test_what_runs_cannot_be_cancelled_by_others(state: State, reader: Actor) -> None:
    """Nor by its own asker once it was sent."""
    text, hint = refusal(ALICE, CONFIRM, reader, state=state)
    assert "until" not in text
    assert ("cancel" in hint) == (state is State.APPROVED and reader is ALICE)
