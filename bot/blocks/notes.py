"""Short private answers: help, errors, refusals, the newest changes; pure."""

from collections.abc import Sequence

from bot import names
from bot.blocks.acts import act, headline
from bot.blocks.build import Block, Post, actions, button, context, lines, mrkdwn, plain, section
from bot.blocks.cards import asked_by
from bot.blocks.text import flat, moment, outside
from bot.words import LISTED, SLASH, operation_of, summary, usage
from core.changes.model import Change
from core.errors import VpsopsError
from core.operations import OPERATIONS

CHANGES_SHOWN = 15


def note(message: str, hint: str = "", ident: str = "") -> Post:
    """Say something in private: what happened, what to do next, an id to look up."""
    blocks = [section(plain(flat(message, 1200) + (f" {flat(hint, 600)}" if hint else "")))]
    if ident:
        blocks.append(context(plain(ident, 80)))
    said = " ".join(part for part in (message, hint, f"({ident})" if ident else "") if part)
    return Post(outside(said, 1800), tuple(blocks))


def error_note(error: VpsopsError) -> Post:
    """Draw an error a person can act on."""
    return note(error.message, error.hint, error.error_id)


def suggestions(error: VpsopsError, operation: str, nearest: Sequence[str]) -> Post:
    """Draw "no such server" with a button for each near name; a button runs exactly the name on it."""
    base = error_note(error)
    row = [
        button(act(operation, name), names.numbered(names.RUN, number), {"op": operation, "args": {"server": name}})
        for number, name in enumerate(nearest[:5])
    ]
    return Post(base.text, (*base.blocks, actions(row))) if row else base


def help_page(topic: str = "") -> Post:
    """Explain one command, or list them all."""
    if topic in LISTED:
        return _one_command(topic)
    unknown = f"There is no command '{flat(topic, 40)}'. These are all there are:" if topic else "What I can do:"
    rows = [f"{usage(word)} - {summary(word)}" for word in LISTED]
    foot = (
        "A server may be named by its hostname, the beginning of it, or its id. Nothing changes before you confirm it."
    )
    blocks = (section(plain(unknown)), section(lines(*rows, limit=2900)), context(plain(foot)))
    return Post(outside(unknown, 200) + "\n" + "\n".join(outside(row, 250) for row in rows), blocks)


def changes_page(changes: Sequence[Change]) -> Post:
    """List the newest changes."""
    if not changes:
        return note("No changes yet.", f"{SLASH} help shows what can be done.")
    blocks: list[Block] = []
    for change in changes[:CHANGES_SHOWN]:
        blocks.append(section(lines(headline(change, 200), change.id)))
        blocks.append(context(mrkdwn(f"{asked_by(change)} · {moment(change.created_at)}")))
    said = ", ".join(outside(headline(change, 120), 150) for change in changes[:5])
    return Post(f"The newest changes: {said}", tuple(blocks))


def _one_command(word: str) -> Post:
    parts = [usage(word), summary(word), _effect(word)]
    return note(" - ".join(part for part in parts[:2] if part), parts[2])


def _effect(word: str) -> str:
    try:
        return OPERATIONS[operation_of(word)].effect
    except KeyError:
        return ""
