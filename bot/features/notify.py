"""`/vps notify`: what a channel is told of. Whoever may list the servers may have their news told to a channel."""

from vpsops.bot.blocks.elements import Post
from vpsops.bot.commands.notify_parser import AddSubscription, RemoveSubscription, ShowSubscriptions, parse_subscription
from vpsops.bot.context.bot_context import Asking, Parts, only_members
from vpsops.bot.context.bot_context import read as ask
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.messages.subscriptions import subscription_added, subscription_text, subscriptions_page
from vpsops.bot.notifications.events import DEFAULT, with_defaults
from vpsops.bot.slack_api.client import CHANNEL_CLOSED_CODES, SlackError
from vpsops.core.common.errors import InvalidInputError, VpsopsError
from vpsops.core.messaging.subscriptions import Subscription, Subscriptions, subscription_id


async def notify(parts: Parts, asking: Asking, words: tuple[str, ...]) -> Post:
    """Show, add or remove; raises `InvalidInputError` where the words are not understood."""
    match parse_subscription(words):
        case ShowSubscriptions():
            return await _page(parts, asking)
        case RemoveSubscription() as wanted:
            await only_members(parts, asking)
            return await _stop(parts, asking, wanted.ident)
        case AddSubscription() as wanted:
            return await _add(parts, asking, wanted)


async def stop_one(parts: Parts, asking: Asking, ident: str, *, replace: bool) -> None:
    """Remove the subscription of a button, and show what is left in its place."""
    await only_members(parts, asking)
    await _store(parts).remove(asking.team, asking.where.channel, ident, asking.actor)
    await parts.slack.reply(asking.where, await _page(parts, asking), replace=replace)


async def _page(parts: Parts, asking: Asking) -> Post:
    there = await _store(parts).of_channel(asking.team, asking.where.channel)
    given = with_defaults(parts.core.settings, there)
    default = next((one for one in given if one.id.startswith(DEFAULT) and one.channel == asking.where.channel), None)
    return subscriptions_page(there, default)


async def _stop(parts: Parts, asking: Asking, ident: str) -> Post:
    if ident.startswith(DEFAULT):
        raise InvalidInputError(
            "This one is set by the operator.", hint="A subscription of the channel's own replaces it."
        )
    gone = await _store(parts).remove(asking.team, asking.where.channel, ident, asking.actor)
    return note(f"This channel is no longer told of {subscription_text(gone)}.")


async def _add(parts: Parts, asking: Asking, wanted: AddSubscription) -> Post:
    await only_members(parts, asking)
    await ask(parts, asking, "list")  # what one may not list, one may not have told to a channel
    made = Subscription(
        id=subscription_id(asking.key),
        team=asking.team,
        channel=asking.where.channel,
        events=wanted.events,
        servers=wanted.servers,
        options=wanted.options,
    )
    made = await subscribe(parts, asking, made)
    return note("Done.", f"/vps notify off {made.id} ends it; anybody here may do that.")


async def subscribe(parts: Parts, asking: Asking, wanted: Subscription) -> Subscription:
    """Store a subscription and tell its channel of it; raises `InvalidInputError` where the channel is closed to us."""
    made = await _store(parts).add(wanted, asking.actor)
    try:
        await parts.slack.post(made.channel, subscription_added(made), name=f"subscribed/{made.id}")
    except SlackError as error:
        if error.code not in CHANNEL_CLOSED_CODES:
            raise VpsopsError("Slack does not let me write here just now.", hint="Type it again.") from None
        await _store(parts).remove(asking.team, made.channel, made.id, asking.actor)
        raise InvalidInputError("I am not in this channel.", hint="Invite me here, then type it again.") from None
    return made


def _store(parts: Parts) -> Subscriptions:
    return Subscriptions(parts.core.database, parts.core.clock)
