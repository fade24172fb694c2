"""A channel's notification subscriptions."""

from collections.abc import Sequence
from typing import Final

from vpsops.bot.blocks.elements import Block, Post, button, context, header, lines, mrkdwn, plain, section
from vpsops.bot.blocks.text import escape_untrusted, is_user_id, moment, user_mention
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.core.common.text import one_line
from vpsops.core.messaging.subscriptions import EVERY_SERVER, WITHOUT_THRESHOLD, Subscription

SHOWN: Final = 20
NAMES: Final = 300
HOW: Final = (
    f"{SLASH} notify drift,settled on web* quiet 22:00-07:00 Europe/Oslo adds a subscription,"
    f" {SLASH} notify off ID removes it. {SLASH} help notify explains more."
)


def subscriptions_page(subscriptions: Sequence[Subscription], default: Subscription | None) -> Post:
    """List a channel's subscriptions; the one from the settings has no remove button."""
    title = f"Subscriptions: {_count(len(subscriptions) + (default is not None))}"
    blocks: list[Block] = [header(title)]
    if default is not None:
        blocks.append(section(lines(subscription_text(default), "Set by the operator (VPSOPS_CHANNEL).")))
    for number, subscription in enumerate(subscriptions[:SHOWN]):
        blocks.append(section(lines(subscription_text(subscription), subscription.id), _off(subscription, number)))
        blocks.append(context(mrkdwn(_foot(subscription))))
    blocks.append(context(plain(HOW)))
    return Post(tuple(blocks))


def subscription_added(subscription: Subscription) -> Post:
    """Announce a new subscription to its channel, with the user who set it."""
    words = f"Subscribed: {subscription_text(subscription)}."
    blocks = (
        section(plain(words)),
        context(mrkdwn(_foot(subscription)), plain(f"{SLASH} notify shows and removes it.")),
    )
    return Post(blocks)


def subscription_text(subscription: Subscription) -> str:
    """Format a subscription in one line. Its server patterns are untrusted."""
    usage = [threshold.words for threshold in subscription.options.usage]
    events = ["all events"] if subscription.events >= WITHOUT_THRESHOLD else sorted(subscription.events - {"usage"})
    quiet = (
        f", quiet {'; '.join(subscription.options.quiet)} {subscription.options.zone}"
        if subscription.options.quiet
        else ""
    )
    kind = "Watch: " if subscription.options.watch else ""
    servers = (
        "all servers" if subscription.servers == (EVERY_SERVER,) else one_line(" ".join(subscription.servers), NAMES)
    )
    return f"{kind}{', '.join([*events, *usage])} on {servers}{quiet}"


def _count(number: int) -> str:
    return str(number) if number else "none"


def _off(subscription: Subscription, number: int) -> Block:
    return button("Remove", action_ids.numbered_action_id(action_ids.NOTIFY_OFF, number), {"id": subscription.id})


def _foot(subscription: Subscription) -> str:
    ident = str(subscription.by.get("id", ""))
    who = user_mention(ident) if is_user_id(ident) else escape_untrusted(str(subscription.by.get("name", "")), 80)
    until = f" · until {moment(subscription.options.until)}" if subscription.options.until else ""
    return f"Set by {who}, {moment(subscription.at)}{until}"
