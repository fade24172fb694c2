"""`/vps notify`: subscriptions of a channel. A user who may list the servers may subscribe a channel to them."""

from vpsops.bot.blocks.elements import Post
from vpsops.bot.commands.notify_parser import AddSubscription, RemoveSubscription, ShowSubscriptions, parse_subscription
from vpsops.bot.context.bot_context import BotContext, only_members
from vpsops.bot.context.bot_context import read as ask
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.messages.subscriptions import subscription_added, subscription_text, subscriptions_page
from vpsops.bot.notifications.events import DEFAULT, with_defaults
from vpsops.bot.slack_api.client import CHANNEL_CLOSED_CODES, SlackError
from vpsops.core.common.errors import InvalidInputError, VpsopsError
from vpsops.core.messaging.subscriptions import Subscription, Subscriptions, subscription_id


async def notify(ctx: BotContext, requester: Requester, words: tuple[str, ...]) -> Post:
    """Show, add or remove; raises `InvalidInputError` where the words are not understood."""
    match parse_subscription(words):
        case ShowSubscriptions():
            return await _page(ctx, requester)
        case RemoveSubscription() as command:
            await only_members(ctx, requester)
            return await _stop(ctx, requester, command.ident)
        case AddSubscription() as command:
            return await _add(ctx, requester, command)


async def stop_one(ctx: BotContext, requester: Requester, ident: str, *, replace: bool) -> None:
    """Remove the subscription of a button, and show what is left in its place."""
    await only_members(ctx, requester)
    await _store(ctx).remove(requester.team, requester.where.channel, ident, requester.actor)
    await ctx.slack.reply(requester.where, await _page(ctx, requester), replace=replace)


async def _page(ctx: BotContext, requester: Requester) -> Post:
    there = await _store(ctx).of_channel(requester.team, requester.where.channel)
    subscriptions = with_defaults(ctx.core.settings, there)
    default = next(
        (item for item in subscriptions if item.id.startswith(DEFAULT) and item.channel == requester.where.channel),
        None,
    )
    return subscriptions_page(there, default)


async def _stop(ctx: BotContext, requester: Requester, ident: str) -> Post:
    if ident.startswith(DEFAULT):
        raise InvalidInputError(
            "This one is set by the operator.", hint="A subscription of the channel's own replaces it."
        )
    gone = await _store(ctx).remove(requester.team, requester.where.channel, ident, requester.actor)
    return note(f"This channel no longer receives {subscription_text(gone)}.")


async def _add(ctx: BotContext, requester: Requester, command: AddSubscription) -> Post:
    await only_members(ctx, requester)
    await ask(ctx, requester, "list")  # a user who may not list servers may not subscribe a channel to them
    made = Subscription(
        id=subscription_id(requester.key),
        team=requester.team,
        channel=requester.where.channel,
        events=command.events,
        servers=command.servers,
        options=command.options,
    )
    made = await subscribe(ctx, requester, made)
    return note("Done.", f"/vps notify off {made.id} ends it; any member here may do that.")


async def subscribe(ctx: BotContext, requester: Requester, subscription: Subscription) -> Subscription:
    """Store a subscription and post it to its channel. Raises `InvalidInputError` if we cannot post there."""
    made = await _store(ctx).add(subscription, requester.actor)
    try:
        await ctx.slack.post(made.channel, subscription_added(made), name=f"subscribed/{made.id}")
    except SlackError as error:
        if error.code not in CHANNEL_CLOSED_CODES:
            raise VpsopsError("Slack does not let me write here just now.", hint="Type it again.") from None
        await _store(ctx).remove(requester.team, made.channel, made.id, requester.actor)
        raise InvalidInputError("I am not in this channel.", hint="Invite me here, then type it again.") from None
    return made


def _store(ctx: BotContext) -> Subscriptions:
    return ctx.core.subscriptions
