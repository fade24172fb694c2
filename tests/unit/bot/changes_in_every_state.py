"""Changes in every state, for drawing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from vpsops.core.changes.model import Change, State, Verdict, Vote
from vpsops.core.identity.actors import Actor, ActorKind, Approvers, Origin
from vpsops.core.operations.target import Target
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.schedule.model import Schedule

NOW = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
ALICE = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE")
BOB = Actor(ActorKind.PERSON, "U0BOB", "bob", "U0BOB", groups=("S0APPROVERS",))
AGENT = Actor(ActorKind.AGENT, "mcp:helper", "helper", "slack:U0ALICE", account="U0ALICE")
CONFIRM = Ruling(Decision.CONFIRM, ("default-people",), policy="p1")
APPROVE = Ruling(Decision.APPROVE, ("two-eyes",), 2, Approvers(groups=("S0APPROVERS",)), policy="p1")
SCHEDULE = Schedule(
    datetime(2027, 1, 5, 1, 0, tzinfo=UTC), datetime(2027, 1, 5, 1, 30, tzinfo=UTC), "at 02:00", "Europe/Oslo"
)

HOSTILE = (
    "<!channel> <@U0BOB> `rm -rf` *Approved by security*\n\n:fire: <https://evil.example|docs> &lt;!here&gt; \u202e"
)


def change(state: State = State.HELD, **other: Any) -> Change:
    """Return a reboot of web01 in some state."""
    base = Change(
        id="chg_0123456789ab",
        version=1,
        state=state,
        operation="reboot",
        arguments={"server": "srv-1"},
        target=Target("srv-1", "web01.example.com", "running", "oslo", "185.35.202.45", "vps-4gb-2cpu"),
        actor=ALICE,
        origin=Origin("slack", "T0ACME", "C0OPS"),
        reason="disk swap",
        ruling=CONFIRM,
        digest="ab12" * 16,
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=15),
        updated_at=NOW,
        effect="Connections drop; the server is usually back in one to two minutes.",
    )
    if state is State.SCHEDULED:
        base = scheduled(base)
    return replace(base, **other)


def scheduled(base: Change) -> Change:
    """Return a change that runs in the night after."""
    return replace(base, schedule=SCHEDULE, facts=(*base.facts, SCHEDULE.fact))


def hostile(state: State, words: str) -> Change:
    """Return a change in which everything that can come from outside does."""
    villain = Actor(ActorKind.AGENT, words, words, words)
    return change(
        state,
        operation="create",
        arguments={"os_template": words, "display_name": words, "ssh_keys": [words] * 20},
        target=Target(words, words, words, words, words, words),
        actor=villain,
        reason=words,
        note=words,
        cost=words,
        ruling=replace(APPROVE, rules=(words,), reason=words),
        votes=(Vote(villain, Verdict.DENY, words, words, NOW), Vote(BOB, Verdict.APPROVE, words, words, NOW)),
        result={"id": words, "hostname": words, "status": words, "ipv4": words},
        sent_at=NOW,
        settled_at=NOW + timedelta(seconds=93),
    )


def every_change() -> list[Change]:
    """Return a change in every state, under each decision, in time and overdue."""
    return [
        change(state, ruling=ruling, overdue=overdue, sent_at=NOW, note="Because.")
        for state, ruling, overdue in product(State, (CONFIRM, APPROVE), (False, True))
    ]
