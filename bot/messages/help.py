"""Help: the commands, and what the caller may do here."""

from collections.abc import Mapping, Sequence
from typing import Final

from vpsops.bot.blocks.elements import Block, Post, context, mrkdwn, plain, section
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol.command_catalog import CHAT_COMMANDS, LISTED, SLASH, operation_of, summary, usage
from vpsops.core.common.text import one_line
from vpsops.core.messaging.subscriptions import SubscriptionEvent
from vpsops.core.operations import OPERATIONS

SECTION: Final = 2900
FOOT: Final = (
    "Name a server by its hostname, the beginning of its hostname, or its id. Nothing changes before you confirm it."
)


def help_page(topic: str = "", may: Mapping[str, str] | None = None) -> Post:
    """Explain one command, or list all. `may` maps an operation to the caller's rights (escaped mrkdwn)."""
    may = may or {}
    if topic in LISTED:
        return _one_command(topic, may)
    lead = f"There is no command '{one_line(topic, 40)}'. All commands:" if topic else "Commands:"
    groups = [("View", _words(reads=True)), ("Change", _words(reads=False)), ("Decide and follow", list(CHAT_COMMANDS))]
    blocks: list[Block] = [section(plain(lead))]
    for title, words in groups:
        blocks += _sections(title, [_row(word, may) for word in words])
    summaries = "\n".join(escape_untrusted(f"{usage(word)} - {summary(word)}", 180) for word in LISTED)
    return Post(f"{escape_untrusted(lead, 200)}\n{summaries}", (*blocks, context(plain(FOOT))))


def _words(*, reads: bool) -> list[str]:
    return [word for word in LISTED if word not in CHAT_COMMANDS and OPERATIONS[operation_of(word)].reads is reads]


def _row(word: str, may: Mapping[str, str]) -> str:
    rights = "" if word in CHAT_COMMANDS else may.get(operation_of(word), "")
    return f"*{escape_untrusted(usage(word), 120)}* {escape_untrusted(summary(word), 160)}" + (
        f" _{rights}_" if rights else ""
    )


def _sections(title: str, rows: Sequence[str]) -> list[Block]:
    """Pack the rows into as few sections as possible."""
    drawn: list[str] = [f"*{title}*"]
    for row in rows:
        if len(drawn[-1]) + len(row) >= SECTION:
            drawn.append(row)
        else:
            drawn[-1] += f"\n{row}"
    return [section(mrkdwn(text)) for text in drawn]


def _one_command(word: str, may: Mapping[str, str]) -> Post:
    base = note(f"{usage(word)} - {summary(word)}", DETAILS.get(word, "") or _effect(word))
    rights = "" if word in CHAT_COMMANDS else may.get(operation_of(word), "")
    if not rights:
        return base
    return Post(f"{base.text} Here: {rights}", (*base.blocks, context(mrkdwn(f"For you, here: {rights}"))))


def _effect(word: str) -> str:
    return "" if word in CHAT_COMMANDS else OPERATIONS[operation_of(word)].effect


DETAILS: Final = {
    "changes": f"{SLASH} changes mine lists yours and your agents'. Changes of deleted servers are found by hostname.",
    "approve": "Votes count only as clicks on the card that shows what will happen.",
    "deny": "Votes count only as clicks on the card that shows what will happen.",
    "audit": "For full members. Shared pages show neither reasons nor refusals.",
    "report": "A shared report shows no costs.",
    "watch": f"One hour unless a duration is given. {SLASH} watch web01 stop ends it.",
    "notify": (
        f"Events are {', '.join(SubscriptionEvent)}, or all."
        f" {SLASH} notify drift,settled on web* quiet 22:00-07:00 Europe/Oslo"
        f" adds one; {SLASH} notify alone shows them, and {SLASH} notify off with an id ends one."
    ),
    "pause": "Agents can read but change nothing until a member of the approval channel resumes them.",
    "resume": "Shows who paused agents and why, with a button for those who may resume them.",
}
