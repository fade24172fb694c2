"""What a channel is told of, with a button to end each; pure."""

from collections.abc import Sequence
from typing import Final

from vpsops.bot.blocks.elements import Block, Post, button, context, header, lines, mrkdwn, plain, section
from vpsops.bot.blocks.text import escape_untrusted, is_user_id, moment, user_mention
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.core.common.text import one_line
from vpsops.core.messaging.subscriptions import WITHOUT_THRESHOLD, Subscription

SHOWN: Final = 20
NAMES: Final = 300
HOW: Final = (
    f"{SLASH} notify drift,settled on web* quiet 22:00-07:00 Europe/Oslo adds one, {SLASH} notify off ID removes one."
    f" {SLASH} help notify says more."
)


def subscriptions_page(there: Sequence[Subscription], default: Subscription | None) -> Post:
    """List a channel's subscriptions; what the settings give it is shown without a button."""
    title = f"This channel is told of {_count(len(there) + (default is not None))}"
    blocks: list[Block] = [header(title)]
    if default is not None:
        blocks.append(section(lines(subscription_text(default), "Set by the operator (VPSOPS_CHANNEL).")))
    for number, one in enumerate(there[:SHOWN]):
        blocks.append(section(lines(subscription_text(one), one.id), _off(one, number)))
        blocks.append(context(mrkdwn(_foot(one))))
    blocks.append(context(plain(HOW)))
    said = "; ".join(escape_untrusted(subscription_text(item), 150) for item in there[:5])
    return Post(f"{title}. {said}".strip(), tuple(blocks))


def subscription_added(one: Subscription) -> Post:
    """Tell a channel what it will be told of from now on, and by whose wish."""
    words = f"From now on this channel is told of {subscription_text(one)}."
    blocks = (section(plain(words)), context(mrkdwn(_foot(one)), plain(f"{SLASH} notify shows and ends it.")))
    return Post(f"{escape_untrusted(words, 600)} {_foot(one)}", blocks)


def subscription_text(one: Subscription) -> str:
    """Say a subscription in one line; the patterns in it are data."""
    usage = [threshold.words for threshold in one.options.usage]
    events = ["all events"] if one.events >= WITHOUT_THRESHOLD else sorted(one.events - {"usage"})
    quiet = f", quiet {'; '.join(one.options.quiet)} {one.options.zone}" if one.options.quiet else ""
    kind = "watching: " if one.options.watch else ""
    return f"{kind}{', '.join([*events, *usage])} on {one_line(' '.join(one.servers), NAMES)}{quiet}"


def _count(number: int) -> str:
    return "nothing" if number == 0 else f"{number} thing{'s' if number > 1 else ''}"


def _off(one: Subscription, number: int) -> Block:
    return button("Remove", action_ids.numbered_action_id(action_ids.NOTIFY_OFF, number), {"id": one.id})


def _foot(one: Subscription) -> str:
    ident = str(one.by.get("id", ""))
    who = user_mention(ident) if is_user_id(ident) else escape_untrusted(str(one.by.get("name", "")), 80)
    until = f" · until {moment(one.options.until)}" if one.options.until else ""
    return f"Set by {who}, {moment(one.at)}{until}"
