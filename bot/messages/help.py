"""Help: the commands, and what the caller may do here."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from vpsops.bot.blocks.elements import Block, Post, context, mrkdwn, plain, section
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol.command_catalog import (
    CHAT_COMMANDS,
    LISTED,
    SLASH,
    TIME,
    operation_of,
    summary,
    synonyms_of,
    usage,
    word_for,
)
from vpsops.core.common.text import one_line
from vpsops.core.messaging.subscriptions import SubscriptionEvent
from vpsops.core.operations import OPERATIONS
from vpsops.core.schedule.time_words import FORMS

SECTION: Final = 2900
BEGIN: Final = "Begin with these:"
MORE: Final = f"{SLASH} help servers explains a group of commands, {SLASH} help reboot one of them, with your rights."
FOOT: Final = (
    "Name a server by its hostname, the beginning of its hostname, or its id. Nothing changes before you confirm it."
)


EVERYDAY: Final[Mapping[str, str]] = {
    "list": f"{SLASH} list prod",
    word_for("get"): f"{SLASH} {word_for('get')} web01",
    "reboot": f"{SLASH} reboot web01 because it hangs",
    "create": f"{SLASH} create",
    "changes": f"{SLASH} changes open",
}
"""The five commands that most people need, each with an example."""
ANY_TIME: Final = f"[{'|'.join(TIME)}]"
SHORT_TIME: Final = "[TIME]"
TIMES: Final = f"TIME is one of: {FORMS}."
SAMPLES: Final = {"SERVER": "web01", "CHANGE": "chg_1a2b3c4d5e6f", "COMMAND": "reboot"}
CHAT_GROUPS: Final[Mapping[str, Sequence[str]]] = {
    "decisions": (
        "changes",
        "scheduled",
        "keep",
        "ends",
        "approve",
        "deny",
        "cancel",
        "runbook",
        "grant",
        "grants",
        "override",
        "reviews",
        "pause",
        "resume",
    ),
    "reports": ("report", "audit", "watch", "notify", "help"),
}


def help_page(topic: str = "", may: Mapping[str, str] | None = None) -> Post:
    """Explain a group, a command, or where to begin. `may` maps an operation to the caller's rights, as mrkdwn."""
    may, groups = may or {}, command_groups()
    if topic in groups:
        return _group(topic, groups[topic], may)
    if topic in LISTED:
        return _one_command(topic, may)
    return _first_page(f"There is no command '{one_line(topic, 40)}'. {BEGIN}" if topic else BEGIN, groups)


def _first_page(lead: str, groups: Mapping[str, Sequence[str]]) -> Post:
    everyday = [(example, summary(word)) for word, example in EVERYDAY.items()]
    rows = [f"*{escape_untrusted(example, 120)}* {escape_untrusted(text, 160)}" for example, text in everyday]
    names = [f"*{title}* {escape_untrusted(', '.join(words), 400)}" for title, words in groups.items()]
    listed = packed_sections(["*All commands by group*", *names])
    blocks = (section(plain(lead)), *packed_sections(rows), *listed, context(plain(MORE)), context(plain(FOOT)))
    return Post(blocks)


def command_groups() -> Mapping[str, Sequence[str]]:
    """Return the command words by group: a group for each toolset of operations, then those of chat."""
    groups: dict[str, list[str]] = {}
    for word in LISTED:
        if word not in CHAT_COMMANDS:
            groups.setdefault(OPERATIONS[operation_of(word)].toolset, []).append(word)
    return {**groups, **CHAT_GROUPS}


def example_of(word: str) -> str:
    """Return a command as it may be typed, without its optional parts."""
    if word in EVERYDAY:
        return EVERYDAY[word]
    required = re.sub(r"\s*\[.*\]", "", usage(word))
    return " ".join(SAMPLES.get(part, part) for part in required.split())


def _group(title: str, words: Sequence[str], may: Mapping[str, str]) -> Post:
    lead = f"Commands about {title}:"
    rows = packed_sections([_row(word, may) for word in words])
    times = [context(plain(TIMES))] if any(ANY_TIME in usage(word) for word in words) else []
    return Post((section(plain(lead)), *rows, *times, context(plain(MORE))))


def usage_in_group(word: str) -> str:
    """Return a command's syntax with a short word for its time, which its group explains once."""
    return usage(word).replace(ANY_TIME, SHORT_TIME)


def _row(word: str, may: Mapping[str, str]) -> str:
    rights = "" if word in CHAT_COMMANDS else may.get(operation_of(word), "")
    return f"*{escape_untrusted(usage_in_group(word), 200)}* {escape_untrusted(summary(word), 160)}" + (
        f" _{rights}_" if rights else ""
    )


def packed_sections(rows: Sequence[str]) -> list[Block]:
    """Pack the rows into as few sections as possible."""
    drawn: list[str] = [rows[0]]
    for row in rows[1:]:
        if len(drawn[-1]) + len(row) >= SECTION:
            drawn.append(row)
        else:
            drawn[-1] += f"\n{row}"
    return [section(mrkdwn(text)) for text in drawn]


def _one_command(word: str, may: Mapping[str, str]) -> Post:
    details = DETAILS.get(word, "") or _effect(word)
    synonyms = synonyms_of(word)
    also = f" Also typed as {', '.join(synonyms)}." if synonyms else ""
    base = note(f"{example_of(word)} - {summary(word)}", f"In full: {usage(word)}. {details}".strip() + also)
    rights = "" if word in CHAT_COMMANDS else may.get(operation_of(word), "")
    if not rights:
        return base
    return Post((*base.blocks, context(mrkdwn(f"For you, here: {rights}"))))


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
    "grant": (
        f"Held for the votes that the agent's change would need: {SLASH} grant claude-code reboot web01 web02 for 1h"
        " uses=10 because on call. Without uses as many as the rule lets."
    ),
    "grants": "Approvers open a grant on the card of an agent's change, where its rule lets them.",
    "runbook": (
        f"For example: {SLASH} runbook grow servers=web01 plan=vps-8gb-4cpu because more traffic. Its card has every"
        " step, and what is done where one fails. Runbooks are stored at a terminal: vpsops runbook apply."
    ),
    "pause": "Agents can read but change nothing until a member of the approval channel resumes them.",
    "resume": "Shows who paused agents and why, with a button for those who may resume them.",
}
