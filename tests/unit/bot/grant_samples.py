"""A request for a grant in the states of its card: held, and ended with the grant that it opened."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from tests.unit.bot.changes_in_every_state import AGENT, APPROVE, BOB, NOW, change
from vpsops.core.changes.model import Change, State, Verdict, Vote
from vpsops.core.grants.agents import KnownAgent
from vpsops.core.grants.requests import GrantOffer, member_of
from vpsops.core.identity.actors import Origin
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.target import Target
from vpsops.core.operations.traits import grant_request_of
from vpsops.core.policy.decision import GrantTerms

REBOOT: Final = OPERATIONS["reboot"]
TARGETS: Final = (
    Target("srv-1", "web01.example.com", "running", "oslo"),
    Target("srv-2", "web02.example.com", "running", "oslo"),
)
VOTE: Final = Vote(BOB, Verdict.APPROVE, "", "member of user group S0APPROVERS", NOW)


def grant_changes() -> Mapping[str, Change]:
    """Return a request for a grant by the name of its state."""
    return {
        "held": _request(State.HELD),
        "opened": _request(
            State.SUCCEEDED,
            votes=(VOTE,),
            note="gr_1a2b3c4d5e6f is open until 2027-01-05 10:00 UTC, for 10 uses.",
            settled_at=NOW,
        ),
    }


def _request(state: State, **more: object) -> Change:
    origin = Origin("mcp", "T1", credential="token-1")
    seen = KnownAgent(AGENT, origin, "chg_0123456789ab", NOW - timedelta(minutes=20))
    members = tuple(member_of(number, REBOOT, target, "pol_1") for number, target in enumerate(TARGETS, 1))
    preview = GrantOffer(REBOOT, AGENT, origin, GrantTerms(3600.0, 10), members, seen).preview
    return change(
        state,
        operation=preview.operation,
        arguments=preview.arguments,
        target=preview.target,
        facts=preview.facts,
        effect=grant_request_of(REBOOT).effect,
        reason="on call tonight",
        ruling=APPROVE,
        **more,
    )
