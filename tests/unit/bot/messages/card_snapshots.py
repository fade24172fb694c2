"""The snapshots of the cards, one file each; `python -m tests.unit.bot.messages.card_snapshots` rewrites them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.unit.bot.changes_in_every_state import AGENT, APPROVE, BOB, CONFIRM, NOW, change, scheduled
from tests.unit.bot.grant_samples import grant_changes
from tests.unit.bot.messages.family_samples import SAMPLES, held_change, superseded_rollback
from tests.unit.bot.messages.plan_samples import plan_changes
from vpsops.bot.blocks.approver_text import CHANNEL_MENTION, ApproverLabels, approver_mentions
from vpsops.bot.blocks.elements import Post
from vpsops.bot.features.approvals import IN_SLACK_FOR_AGENT
from vpsops.bot.messages.change_card import Audience, CardOptions, change_card
from vpsops.core.changes.model import MISSED, Change, ChangeOverride, State, Verdict, Vote
from vpsops.core.identity.actors import Approvers
from vpsops.core.policy.decision import GrantTerms

SENT = {State.SENDING, State.WATCHING, State.UNKNOWN, State.NEEDS_PERSON, State.SUCCEEDED, State.FAILED}
NOTES = {
    State.FAILED: "The provider refused it: the server is locked.",
    State.DENIED: "Denied by bob.",
    State.CANCELLED: "Cancelled by alice: wrong server",
    State.SUPERSEDED: "Its state is stopped now, and was running.",
    State.NEEDS_PERSON: "The provider gave no clear answer, and the server's uptime cannot be read.",
}
RESULT = {"id": "srv-1", "hostname": "web01.example.com", "status": "running", "ipv4": "185.35.202.45"}
MISSED_NOTE = "Nothing was sent: its time ended at 2027-01-05 01:30 UTC. No process that could send it was running."
DIRECTORY = Path(__file__).parent / "snapshots"
VOTE = Vote(BOB, Verdict.APPROVE, "looks right", "member of user group S0APPROVERS", NOW)


def all_cards() -> Mapping[str, Post]:
    """Return a card of every state, and those that differ within a state."""
    cards = {state.value: change_card(_change(state), NOW) for state in State}
    cards["watching_overdue"] = change_card(
        change(State.WATCHING, sent_at=NOW - timedelta(minutes=9), overdue=True), NOW
    )
    asked = change(ruling=APPROVE, actor=AGENT)
    labels = ApproverLabels({"S0APPROVERS": "approvers"})
    called = CardOptions(labels=labels, mentions=approver_mentions(asked.ruling.approvers, "C0APPROVALS"))
    cards["held_for_votes"] = change_card(asked, NOW, Audience.VOTERS, called)
    cards["held_for_votes_asker"] = change_card(asked, NOW, Audience.ASKER, CardOptions(labels=labels))
    cards["held_escalated"] = change_card(asked, NOW, Audience.ESCALATED, replace(called, mentions=(CHANNEL_MENTION,)))
    cards["approved_with_votes"] = change_card(change(State.APPROVED, ruling=APPROVE, votes=(VOTE,)), NOW)
    cards["held_scheduled"] = change_card(scheduled(change(ruling=APPROVE)), NOW, Audience.VOTERS, called)
    cards["expired_missed"] = change_card(
        scheduled(change(State.EXPIRED, note=MISSED_NOTE, result={MISSED: True})), NOW
    )
    voters = CardOptions(labels=labels, owner="Kari Nordmann")
    cards |= {f"held_{name}": change_card(held_change(name), NOW, Audience.VOTERS, voters) for name in SAMPLES}
    cards["superseded_stop_first"] = change_card(superseded_rollback(), NOW)
    grantable = replace(asked, ruling=replace(APPROVE, grant_terms=GrantTerms(7200.0, 20, ("web*",))))
    cards["held_grantable"] = change_card(grantable, NOW, Audience.VOTERS, called)
    plans = {f"plan_{name}": change_card(plan, NOW, Audience.VOTERS, called) for name, plan in plan_changes().items()}
    grants = {
        f"grant_{name}": change_card(each, NOW, Audience.VOTERS, called) for name, each in grant_changes().items()
    }
    return {**cards, **plans, **grants, **_confirmation_cards(), **_override_cards(labels)}


def overridable() -> Change:
    """Return a held change that its asker may run without approval."""
    return change(ruling=replace(APPROVE, overrides=(Approvers(groups=("S0ONCALL",)),)))


def overridden(*, reviewed: bool = False) -> Change:
    """Return a change that its asker ran without approval, with its review open or closed."""
    asked = change(ruling=APPROVE)
    override = ChangeOverride(
        asked.actor, "The shop is down, and no approver answers.", ("S0ONCALL",), NOW - timedelta(minutes=1)
    )
    if reviewed:
        override = replace(override, reviewer=BOB, note="Agreed: the disk was full.", reviewed_at=NOW)
    ended = {"sent_at": NOW - timedelta(seconds=40), "settled_at": NOW, "result": RESULT}
    return change(State.SUCCEEDED, ruling=APPROVE, override=override, **ended)


def _override_cards(labels: ApproverLabels) -> Mapping[str, Post]:
    """Return the cards of a change that its asker may run without approval, and did."""
    named = CardOptions(labels=replace(labels, groups={**labels.groups, "S0ONCALL": "oncall"}))
    return {
        "override_offered": change_card(overridable(), NOW, Audience.ASKER, named),
        "override_review_open": change_card(overridden(), NOW, Audience.VOTERS),
        "override_reviewed": change_card(overridden(reviewed=True), NOW, Audience.VOTERS),
    }


def _confirmation_cards() -> Mapping[str, Post]:
    """Return the card in direct messages that asks an agent's own human, in its states."""
    by_alice = change(actor=AGENT, ruling=replace(CONFIRM, rules=("agents",), confirm_in=("slack",)))
    confirmed = replace(by_alice, confirmed=IN_SLACK_FOR_AGENT)
    cards = {
        "held": by_alice,
        "confirmed": replace(confirmed, state=State.APPROVED),
        "done": replace(
            confirmed,
            state=State.SUCCEEDED,
            sent_at=NOW - timedelta(seconds=40),
            settled_at=NOW,
            result=RESULT,
        ),
        "cancelled": replace(by_alice, state=State.CANCELLED, note="Cancelled by alice."),
        "expired": replace(by_alice, state=State.EXPIRED),
        "held_delete": deletion_by_agent(),
    }
    return {f"confirmation_{name}": change_card(card, NOW) for name, card in cards.items()}


def deletion_by_agent() -> Change:
    """Return what an agent's own human confirms by typing the server's name."""
    ruling = replace(CONFIRM, rules=("agents",), confirm_in=("slack",))
    return replace(held_change("delete"), actor=AGENT, ruling=ruling)


def _change(state: State) -> Change:
    """Return a change as it is in this state: with a reason where it ended badly, a result where it ended well."""
    sent = {"sent_at": NOW - timedelta(seconds=40)} if state in SENT else {}
    ended = {"settled_at": NOW, "result": RESULT} if state is State.SUCCEEDED else {}
    return change(state, note=NOTES.get(state, ""), **sent, **ended)


def as_text(post: Post) -> str:
    """Return a card as it is sent."""
    return json.dumps({"text": post.text, "blocks": post.blocks}, indent=2, ensure_ascii=False) + "\n"


def write() -> None:
    """Write every snapshot and remove those without a card."""
    DIRECTORY.mkdir(exist_ok=True)
    for path in DIRECTORY.glob("*.json"):
        path.unlink()
    for name, card in all_cards().items():
        (DIRECTORY / f"{name}.json").write_text(as_text(card), encoding="utf-8")


if __name__ == "__main__":
    write()
