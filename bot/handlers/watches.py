"""`/vps watch`: a channel hears of everything about one server for a while."""

from datetime import timedelta

from vpsops.bot.blocks.elements import Post
from vpsops.bot.commands.time_parser import WatchServer
from vpsops.bot.context.bot_context import BotContext, only_members, read
from vpsops.bot.features.notify import subscribe
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.messages.ephemeral import command_suggestions, error_note, note
from vpsops.core.common.errors import AmbiguousServerError, UnknownServerError
from vpsops.core.common.text import duration
from vpsops.core.messaging.subscriptions import (
    WITHOUT_THRESHOLD,
    Subscription,
    SubscriptionEvent,
    SubscriptionOptions,
    Subscriptions,
    subscription_id,
)
from vpsops.core.policy.context import is_glob
from vpsops.core.wayscloud.answers.models import Server

EVENTS = WITHOUT_THRESHOLD - {SubscriptionEvent.PROVIDER}


async def watch(ctx: BotContext, requester: Requester, command: WatchServer) -> Post:
    """Begin or end a watch; a name that means several servers, or none, is asked about and never guessed."""
    await only_members(ctx, requester)
    subscriptions = ctx.core.subscriptions
    if command.lasts is None:
        return await _stop(subscriptions, requester, command.server)
    try:
        server: Server = await read(ctx, requester, "get", {"server": command.server})
    except AmbiguousServerError as error:
        twice = len({name for _, name in error.candidates}) < len(error.candidates)
        named = [ident if twice else name for ident, name in error.candidates]
        return command_suggestions(error.message, "Which one?", [_again(server, command.lasts) for server in named[:5]])
    except UnknownServerError as error:
        near = [_again(name, command.lasts) for name in error.nearest]
        return command_suggestions(error.message, error.hint, near) if near else error_note(error)
    until = ctx.core.clock.now() + command.lasts
    asked = Subscription(
        id=subscription_id(requester.key),
        team=requester.team,
        channel=requester.where.channel,
        events=EVENTS,
        servers=(server.id if is_glob(server.hostname) else server.hostname,),
        options=SubscriptionOptions(until=until, watch=True),
    )
    await subscribe(ctx, requester, asked)
    lasts = duration(command.lasts.total_seconds())
    return note(
        f"Watching {server.hostname} for {lasts} in this channel.", f"/vps watch {server.hostname} stop ends it before."
    )


async def _stop(subscriptions: Subscriptions, requester: Requester, name: str) -> Post:
    """The server may be gone by now, so its name is searched among the watched servers."""
    there = await subscriptions.of_channel(requester.team, requester.where.channel)
    meant = [
        subscription
        for subscription in there
        if subscription.options.watch and _is_named(subscription, name.lower().rstrip("."))
    ]
    for entry in meant:
        await subscriptions.remove(requester.team, requester.where.channel, entry.id, requester.actor)
    if not meant:
        return note(f"This channel does not watch {name}.", "/vps notify shows its subscriptions.")
    return note(f"This channel no longer watches {', '.join(server for watch in meant for server in watch.servers)}.")


def _is_named(subscription: Subscription, name: str) -> bool:
    return any(name in {server, server.split(".", 1)[0]} for server in subscription.servers)


def _again(name: str, lasts: timedelta) -> str:
    hours, seconds = divmod(round(lasts.total_seconds()), 3600)
    return f"watch {name} for {hours}h" if not seconds else f"watch {name} for {hours * 60 + seconds // 60}m"
