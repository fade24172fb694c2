"""What a thread is about: the server, and the change, of the message of ours that it is under."""

from dataclasses import dataclass
from typing import Final

from vpsops.bot.context.bot_context import BotContext, read
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.messages.change_card import result_server
from vpsops.bot.messages.notification_item import server_in
from vpsops.core.common.errors import (
    AmbiguousServerError,
    InvalidInputError,
    NotAllowedError,
    UnknownChangeError,
    UnknownServerError,
)
from vpsops.core.messaging.outbox import change_in
from vpsops.core.wayscloud.answers.models import Server

GONE: Final = "The server of this thread is gone. Nothing was run."


@dataclass(frozen=True, slots=True)
class ThreadSubject:
    """The ids of what a thread is about; empty where none, or several, are known."""

    server: str = ""
    change: str = ""


async def subject_of(ctx: BotContext, requester: Requester) -> ThreadSubject:
    """Return what the thread of a message is about, as far as the workspace may know of it; raises `StorageError`."""
    topics = await ctx.core.outbox.topics_at(requester.where.channel, requester.thread) if requester.thread else []
    servers, changes = {server for topic in topics if (server := server_in(topic))}, set()
    for ident in filter(None, map(change_in, topics)):
        try:
            change = await ctx.core.changes.get(ident, scope=ctx.core.scope)
        except UnknownChangeError:
            continue
        made = result_server(change.result)
        changes.add(change.id)
        servers.add(change.target.id or (made.id if made else ""))
    return ThreadSubject(_only(servers), _only(changes))


async def server_of(ctx: BotContext, requester: Requester, ident: str) -> Server | None:
    """Return a thread's server as it is now; None if this person may not read it, or if its id is not known.

    Raises `InvalidInputError` if it is gone, whatever else has its name, and `UnknownServerError` if it may be there.
    """
    try:
        server: Server = await read(ctx, requester, "get", {"server": ident})
    except NotAllowedError:
        return None
    except UnknownServerError as error:
        if error.lack:
            raise
        raise InvalidInputError(GONE, hint="Name the server you mean.") from None
    except AmbiguousServerError:
        return None
    return server if server.id == ident else None


def _only(idents: set[str]) -> str:
    return next(iter(idents)) if len(idents) == 1 else ""
