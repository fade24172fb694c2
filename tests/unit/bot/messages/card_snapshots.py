"""The snapshots of the cards, one file each; `python -m tests.unit.bot.messages.card_snapshots` rewrites them."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from tests.unit.bot.changes_in_every_state import AGENT, APPROVE, BOB, NOW, change
from vpsops.bot.blocks.elements import Post
from vpsops.bot.messages.change_card import Audience, change_card
from vpsops.core.changes.model import Change, State, Verdict, Vote

SENT = {State.SENDING, State.WATCHING, State.UNKNOWN, State.NEEDS_PERSON, State.SUCCEEDED, State.FAILED}
NOTES = {
    State.FAILED: "The provider refused it: the server is locked.",
    State.DENIED: "Denied by bob.",
    State.CANCELLED: "Cancelled.",
    State.SUPERSEDED: "Its state is stopped now, and was running.",
    State.NEEDS_PERSON: "The provider gave no clear answer, and the server's uptime cannot be read.",
}
RESULT = {"id": "srv-1", "hostname": "web01.example.com", "status": "running", "ipv4": "185.35.202.45"}
DIRECTORY = Path(__file__).parent / "snapshots"
VOTE = Vote(BOB, Verdict.APPROVE, "looks right", "member of user group S0APPROVERS", NOW)


def all_cards() -> Mapping[str, Post]:
    """Return a card of every state, and those that differ within a state."""
    cards = {state.value: change_card(_change(state), NOW) for state in State}
    cards["watching_overdue"] = change_card(
        change(State.WATCHING, sent_at=NOW - timedelta(minutes=9), overdue=True), NOW
    )
    asked = change(ruling=APPROVE, actor=AGENT)
    cards["held_for_votes"] = change_card(asked, NOW, Audience.VOTERS)
    cards["held_for_votes_asker"] = change_card(asked, NOW)
    cards["approved_with_votes"] = change_card(change(State.APPROVED, ruling=APPROVE, votes=(VOTE,)), NOW)
    return cards


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
