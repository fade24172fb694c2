"""The snapshots of the cards, one file each; `python -m tests.unit.bot.card_snapshots` writes them anew."""

import json
from collections.abc import Mapping
from pathlib import Path

from bot.blocks.build import Post
from bot.blocks.cards import Audience, change_card
from core.changes.model import State, Verdict, Vote
from tests.unit.bot.changes import AGENT, APPROVE, BOB, NOW, change

DIRECTORY = Path(__file__).parent / "snapshots"
VOTE = Vote(BOB, Verdict.APPROVE, "looks right", "member of user group S0APPROVERS", NOW)


def all_cards() -> Mapping[str, Post]:
    """Return a card of every state, and those that differ within a state."""
    cards = {state.value: change_card(change(state, sent_at=NOW, note="Because."), NOW) for state in State}
    cards["watching_overdue"] = change_card(change(State.WATCHING, sent_at=NOW, overdue=True), NOW)
    asked = change(ruling=APPROVE, actor=AGENT)
    cards["held_for_votes"] = change_card(asked, NOW, Audience.VOTERS)
    cards["held_for_votes_asker"] = change_card(asked, NOW)
    cards["approved_with_votes"] = change_card(change(State.APPROVED, ruling=APPROVE, votes=(VOTE,)), NOW)
    return cards


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
