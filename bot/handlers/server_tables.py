"""Shows a list of servers whole, as one table, beside the page that it was asked for on."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from vpsops.bot.blocks.elements import Post, shared_copy
from vpsops.bot.blocks.tables import TABLE_ROWS
from vpsops.bot.blocks.text import user_mention
from vpsops.bot.context.bot_context import BotContext, read
from vpsops.bot.features.operations import patiently
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.messages.results import WholeList, server_table
from vpsops.bot.messages.servers import OperationCall
from vpsops.core.common.json_types import Json
from vpsops.core.operations.servers import ServerList
from vpsops.core.wayscloud.answers.models import Server

PAGE: Final = 100
"""The most servers of one read."""


async def show_whole_list(
    ctx: BotContext, requester: Requester, asked: OperationCall, *, everyone: bool = False
) -> None:
    """Reply with the servers that match a filter in one table, privately or to the channel.

    Raises what the reads raise.
    """
    post = await patiently(ctx, requester, partial(_table, ctx, requester, asked))
    if post is not None and everyone:
        post = shared_copy(post, user_mention(requester.user, requester.name))
    if post is not None:
        await ctx.slack.reply(requester.where, post, everyone=everyone)


async def _table(ctx: BotContext, requester: Requester, asked: OperationCall) -> Post | None:
    servers: list[Server] = []
    arguments: Mapping[str, Json] = {**asked.arguments, "limit": PAGE}
    while True:
        page: ServerList = await read(ctx, requester, asked.operation, arguments)
        servers += page.servers
        if page.next_cursor is None or len(servers) >= TABLE_ROWS:
            whole = WholeList(servers, page.total, page.lacking)
            return server_table(whole, asked, ctx.core.settings.owner_label)
        arguments = {**arguments, "cursor": page.next_cursor}
