"""Adds all that is read besides tools to a server: resources, live updates, completions, prompts and skills."""

from functools import partial
from typing import Any

import mcp.types as t
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server

from vpsops.mcp_server.prompts.completions import Completions
from vpsops.mcp_server.prompts.prompts import get_prompt, list_prompts
from vpsops.mcp_server.prompts.skills import FOLDER, skills_of
from vpsops.mcp_server.protocol import sdk_compat
from vpsops.mcp_server.protocol.shutdown import Shutdown
from vpsops.mcp_server.protocol.skills import read_skill, serve_skills
from vpsops.mcp_server.resources import resources, subscriptions
from vpsops.mcp_server.resources.reader import ResourceReaders
from vpsops.mcp_server.resources.updates import UpdatePublisher, open_updates

LISTS = ("prompts/list", "resources/list", "resources/templates/list")


def add_read_handlers(server: Server[Any], readers: ResourceReaders, hint: CacheHint, shutdown: Shutdown) -> None:
    """Register a server's read handlers; `hint` is how long its lists may be kept, `shutdown` ends streams."""
    completions = Completions(readers.core.clock)

    async def complete(context: sdk_compat.Context, params: t.CompleteRequestParams) -> t.CompleteResult:
        return await completions.complete(readers.of(context), params)

    async def subscribe(context: sdk_compat.Context, params: t.SubscribeRequestParams) -> t.EmptyResult:
        return await subscriptions.subscribe(publisher_of(context), readers.of(context), context, params.uri)

    async def unsubscribe(context: sdk_compat.Context, params: t.UnsubscribeRequestParams) -> t.EmptyResult:
        return subscriptions.unsubscribe(context, params.uri)

    async def listen(
        context: sdk_compat.Context, params: t.SubscriptionsListenRequestParams
    ) -> t.SubscriptionsListenResult:
        return await subscriptions.listen(publisher_of(context), readers.of(context), context, params, shutdown)

    add = server.add_request_handler
    add("resources/list", t.PaginatedRequestParams, resources.list_resources)
    add("resources/templates/list", t.PaginatedRequestParams, resources.list_templates)
    add("resources/read", t.ReadResourceRequestParams, partial(read_resource, readers))
    add("resources/subscribe", t.SubscribeRequestParams, subscribe)
    add("resources/unsubscribe", t.UnsubscribeRequestParams, unsubscribe)
    add("subscriptions/listen", t.SubscriptionsListenRequestParams, listen)
    add("prompts/list", t.PaginatedRequestParams, list_prompts)
    add("prompts/get", t.GetPromptRequestParams, partial(get_prompt, readers))
    add("completion/complete", t.CompleteRequestParams, complete)
    serve_skills(server, lambda context: skills_of(readers.of(context)))
    server.cache_hints |= dict.fromkeys(LISTS, hint)
    server.lifespan = lambda _: open_updates(readers.core)


async def read_resource(
    readers: ResourceReaders, context: sdk_compat.Context, params: t.ReadResourceRequestParams
) -> t.ReadResourceResult:
    """Return a skill's file or a resource of the servers. Raises as their own readers do."""
    if params.uri.startswith(FOLDER):
        return read_skill(skills_of(readers.of(context)), params.uri)
    return await resources.read(readers, context, params)


def publisher_of(context: sdk_compat.Context) -> UpdatePublisher:
    """Return the live updates that a request's server keeps."""
    live: UpdatePublisher = context.lifespan_context
    return live
