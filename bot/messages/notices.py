"""Notices about changes and about the service."""

from collections.abc import Sequence
from datetime import datetime

from vpsops.bot.blocks.elements import Post, actions, context, mrkdwn, plain, section
from vpsops.bot.blocks.labels import action_label, action_verb
from vpsops.bot.blocks.text import escape_untrusted, moment
from vpsops.bot.messages.change_card import MOST_MENTIONED, requester_text, result_server, review_buttons
from vpsops.core.changes.model import OVERRIDDEN, Change
from vpsops.core.common.text import duration, one_line
from vpsops.core.operations.traits import success_of


def change_notice(change: Change, event: str, now: datetime, requester: str = "") -> Post:
    """Render the outcome of a change, or what delays it; it mentions the requester unless it has a name (mrkdwn)."""
    words = one_line(change_text(change, event, now), 1500)
    small = context(mrkdwn(f"Requested by {requester or requester_text(change)}"), plain(change.id, 80))
    return Post((section(plain(words)), small))


def service_notice(text: str) -> Post:
    """Render a notice that does not concern a change."""
    return Post((section(plain(one_line(text, 1500))),))


def reminder(change: Change, mentions: Sequence[str] = (), link: str = "") -> Post:
    """Render a reminder of the missing votes, with the mentions of those who may give them; `link` is to the card."""
    missing = max(1, change.ruling.votes - change.approvals)
    what = action_label(change.operation, change.target.hostname, 200)
    who = f"{', '.join(mentions[:MOST_MENTIONED])}: s" if mentions else "S"
    words = escape_untrusted(f"till waiting for {missing} approval{'s' if missing > 1 else ''}: {what}", 500)
    until = f"Expires {moment(change.expires_at)}." if change.expires_at is not None else ""
    small = " ".join(part for part in (until, f"<{link}|Open the card>" if link else "") if part)
    return Post((section(mrkdwn(f"{who}{words}")), *([context(mrkdwn(small))] if small else [])))


def override_notice(change: Change, event: str, mentions: Sequence[str] = (), requester: str = "") -> Post:
    """Render that a change ran without approval, or that its review is still open, to those who may review it.

    `requester` is a name (mrkdwn) in place of the mention of who ran it.
    """
    override = change.override
    reason = escape_untrusted(override.reason, 1000) if override is not None else ""
    who, what = requester or requester_text(change), action_label(change.operation, change.target.hostname, 200)
    call = f"{', '.join(mentions[:MOST_MENTIONED])}: " if mentions else ""
    first = "the review is still open of a run without approval" if event != OVERRIDDEN else "run without approval"
    words = f"{call}{first if call else first[0].upper() + first[1:]}: *{escape_untrusted(what, 220)}* by {who}."
    small = "Another person who may approve it closes its review with a note."
    return Post(
        (
            section(mrkdwn(words)),
            section(mrkdwn(f"*Why it could not wait:* {reason}")),
            *([actions(review_buttons(change))] if review_buttons(change) else []),
            context(mrkdwn(small), plain(change.id, 80)),
        )
    )


def change_text(change: Change, event: str, now: datetime) -> str:
    """Return a change's outcome in one or two sentences. The text is not escaped."""
    name = change.target.hostname
    match event:
        case "succeeded" if change.unseen:
            return f"{action_label(change.operation, name, 300)}: {change.note}"
        case "succeeded":
            return f"{_done(change)}{_took(change)} {_address(change)}".strip()
        case "failed":
            return f"{action_label(change.operation, name, 300)} failed. {change.note}{_took(change)}"
        case "overdue":
            since = f" {duration((now - change.sent_at).total_seconds())} so far." if change.sent_at else ""
            title = action_label(change.operation, name, 300)
            return f"{title} is taking longer than usual.{since} vpsops keeps checking."
        case "review_closed":
            note = change.override.note if change.override is not None else ""
            return f"{action_label(change.operation, name, 300)}: its run without approval was reviewed. {note}"
        case "set_aside" | "schedule_conflict":
            return f"{action_label(change.operation, name, 300)}: {change.note}"
        case "needs_person":
            return f"{action_label(change.operation, name, 300)}: outcome unknown. {change.note}"
        case _:
            return f"{action_label(change.operation, name, 300)}: {event.replace('_', ' ')}. {change.note}"


def _done(change: Change) -> str:
    sentence = success_of(change.operation, change.target)
    if sentence:
        return sentence
    return f"{action_verb(change.operation)} of {change.target.hostname} is done."


def _took(change: Change) -> str:
    return f" It took {duration(change.seconds)}." if change.seconds is not None else ""


def _address(change: Change) -> str:
    server = result_server(change.result)
    address = (server.ipv4 or server.ipv6 if server else "") or change.target.address
    return f"Address: {address}." if address else ""
