"""Notices about changes and about the service."""

from datetime import datetime

from vpsops.bot.blocks.elements import Block, Post, context, mrkdwn, plain, section
from vpsops.bot.blocks.labels import action_label, action_verb
from vpsops.bot.blocks.text import escape_untrusted, moment
from vpsops.bot.messages.change_card import requester_text, result_server
from vpsops.core.changes.model import Change
from vpsops.core.common.text import duration, one_line
from vpsops.core.operations.traits import success_of


def change_notice(change: Change, event: str, now: datetime) -> Post:
    """Render the outcome of a change, or what delays it."""
    words = one_line(change_text(change, event, now), 1500)
    small = context(mrkdwn(f"Requested by {requester_text(change)}"), plain(change.id, 80))
    blocks: tuple[Block, ...] = (section(plain(words)), small)
    return Post(f"{escape_untrusted(words, 1500)} Requested by {requester_text(change)}.", blocks)


def service_notice(text: str) -> Post:
    """Render a notice that does not concern a change."""
    words = one_line(text, 1500)
    return Post(escape_untrusted(words, 1500), (section(plain(words)),))


def reminder(change: Change) -> Post:
    """Render a reminder of the missing votes."""
    missing = max(1, change.ruling.votes - change.approvals)
    what = action_label(change.operation, change.target.hostname, 200)
    words = f"Still waiting for {missing} approval{'s' if missing > 1 else ''}: {what}"
    until = f" Expires {moment(change.expires_at)}." if change.expires_at is not None else ""
    return Post(
        f"{escape_untrusted(words, 500)}.{until}", (section(plain(words)), context(mrkdwn(until.strip() or "-")))
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
