"""Adds all that is read besides tools to a server: resources, live updates, completions, prompts and skills.

A session that calls tools asks for few of these: what answers is imported with the first question for it.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import mcp.types as t
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server

from vpsops.mcp_server.protocol import sdk_compat
from vpsops.mcp_server.protocol.shutdown import Shutdown
from vpsops.mcp_server.protocol.skills import Skill, read_skill, serve_skills
from vpsops.mcp_server.resources import subscriptions
from vpsops.mcp_server.resources.reader import ResourceReaders
from vpsops.mcp_server.resources.updates import UpdatePublisher, open_updates

if TYPE_CHECKING:
    from vpsops.mcp_server.prompts.completions import Completions

LISTS = ("prompts/list", "resources/list", "resources/templates/list")


def add_read_handlers(server: Server[Any], readers: ResourceReaders, hint: CacheHint, shutdown: Shutdown) -> None:
    """Register a server's read handlers; `hint` is how long its lists may be kept, `shutdown` ends streams."""

    async def subscribe(context: sdk_compat.Context, params: t.SubscribeRequestParams) -> t.EmptyResult:
        return await subscriptions.subscribe(publisher_of(context), readers.of(context), context, params.uri)

    async def unsubscribe(context: sdk_compat.Context, params: t.UnsubscribeRequestParams) -> t.EmptyResult:
        return subscriptions.unsubscribe(context, params.uri)

    async def listen(
        context: sdk_compat.Context, params: t.SubscriptionsListenRequestParams
    ) -> t.SubscriptionsListenResult:
        return await subscriptions.listen(publisher_of(context), readers.of(context), context, params, shutdown)

    add = server.add_request_handler
    add("resources/list", t.PaginatedRequestParams, list_resources)
    add("resources/templates/list", t.PaginatedRequestParams, list_templates)
    add("resources/read", t.ReadResourceRequestParams, partial(read_resource, readers))
    add("resources/subscribe", t.SubscribeRequestParams, subscribe)
    add("resources/unsubscribe", t.UnsubscribeRequestParams, unsubscribe)
    add("subscriptions/listen", t.SubscriptionsListenRequestParams, listen)
    add("prompts/list", t.PaginatedRequestParams, list_prompts)
    add("prompts/get", t.GetPromptRequestParams, partial(get_prompt, readers))
    add("completion/complete", t.CompleteRequestParams, completer(readers))
    serve_skills(server, partial(skills_of, readers))
    server.cache_hints |= dict.fromkeys(LISTS, hint)
    server.lifespan = lambda _: open_updates(readers.core)


def completer(
    readers: ResourceReaders,
) -> Callable[[sdk_compat.Context, t.CompleteRequestParams], Awaitable[t.CompleteResult]]:
    """Return the handler of completions; what answers them is loaded and kept with the first question."""
    known: list[Completions] = []

    async def complete(context: sdk_compat.Context, params: t.CompleteRequestParams) -> t.CompleteResult:
        if not known:
            from vpsops.mcp_server.prompts.completions import Completions  # noqa: PLC0415 - with the first question

            known.append(Completions(readers.core.clock))
        return await known[0].complete(readers.of(context), params)

    return complete


def skills_of(readers: ResourceReaders, context: sdk_compat.Context) -> Sequence[Skill]:
    """Return the skills that a caller can follow with the tools it has."""
    from vpsops.mcp_server.prompts import skills  # noqa: PLC0415 - with the first question

    return skills.skills_of(readers.of(context))


async def list_prompts(context: sdk_compat.Context, params: t.PaginatedRequestParams | None) -> t.ListPromptsResult:
    """Return the prompts."""
    from vpsops.mcp_server.prompts import prompts  # noqa: PLC0415 - with the first question

    return await prompts.list_prompts(context, params)


async def get_prompt(
    readers: ResourceReaders, context: sdk_compat.Context, params: t.GetPromptRequestParams
) -> t.GetPromptResult:
    """Return a prompt's messages. Raises as its writer does."""
    from vpsops.mcp_server.prompts import prompts  # noqa: PLC0415 - with the first question

    return await prompts.get_prompt(readers, context, params)


async def list_resources(context: sdk_compat.Context, params: t.PaginatedRequestParams | None) -> t.ListResourcesResult:
    """Return the resources that have an address without a name in it."""
    from vpsops.mcp_server.resources import resources  # noqa: PLC0415 - with the first question

    return await resources.list_resources(context, params)


async def list_templates(
    context: sdk_compat.Context, params: t.PaginatedRequestParams | None
) -> t.ListResourceTemplatesResult:
    """Return the templates of resources with a name in their address."""
    from vpsops.mcp_server.resources import resources  # noqa: PLC0415 - with the first question

    return await resources.list_templates(context, params)


async def read_resource(
    readers: ResourceReaders, context: sdk_compat.Context, params: t.ReadResourceRequestParams
) -> t.ReadResourceResult:
    """Return a skill's file or a resource of the servers. Raises as their own readers do."""
    from vpsops.mcp_server.prompts.skills import FOLDER  # noqa: PLC0415 - with the first question
    from vpsops.mcp_server.resources import resources  # noqa: PLC0415 - likewise

    if params.uri.startswith(FOLDER):
        return read_skill(skills_of(readers, context), params.uri)
    return await resources.read(readers, context, params)


def publisher_of(context: sdk_compat.Context) -> UpdatePublisher:
    """Return the live updates that a request's server keeps."""
    live: UpdatePublisher = context.lifespan_context
    return live
