"""Composition root of the bot: Bolt, request verification and background workers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import aiohttp
import anyio
import structlog
from anyio.abc import TaskGroup
from pydantic import BaseModel
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from vpsops.bot.blocks.elements import Block
from vpsops.bot.context.bot_context import BotContext
from vpsops.bot.handlers.dispatcher import KINDS, handle
from vpsops.bot.handlers.home import keep_current
from vpsops.bot.handlers.options import options_for
from vpsops.bot.ingress.ack_scheduler import AckScheduler
from vpsops.bot.ingress.interaction import claims_of
from vpsops.bot.ingress.request_verification import PARSED_PAYLOAD, VERIFIED_HEADERS, SlackRequestVerifier
from vpsops.bot.ingress.slack_secrets import SlackSecrets
from vpsops.bot.ingress.worker import INBOX, InboxWorker
from vpsops.bot.listeners import PayloadDispatcher, answer_failed, bolt_request
from vpsops.bot.notifications.card_sync import CARDS, CardRefresher
from vpsops.bot.notifications.outbox_worker import OUTBOX, OutboxWorker
from vpsops.bot.notifications.token_check import TokenCheck
from vpsops.bot.protocol.logging import slack_logger
from vpsops.bot.protocol.payloads import (
    BlockSuggestion,
)
from vpsops.bot.slack_api.call_telemetry import METHODS
from vpsops.bot.slack_api.client import SlackClient
from vpsops.bot.workspaces.account_directory import SlackAccounts
from vpsops.bot.workspaces.membership import Membership
from vpsops.bot.workspaces.registry import InstalledWorkspaces, SingleWorkspace, WorkspaceSession
from vpsops.core.app import Core
from vpsops.core.common import timings
from vpsops.core.common.errors import VpsopsError
from vpsops.core.messaging.inbox import InboxDelivery
from vpsops.core.server.health_routes import health_routes
from vpsops.core.telemetry.metrics import OTHER, SLACK_ACK_SECONDS
from vpsops.core.telemetry.tracer import NEW_TRACE, SpanRole

PATH: Final = "/slack/events"
DRAIN_SECONDS: Final = timings.DRAIN_SECONDS
FINISH_SECONDS: Final = timings.FINISH_SECONDS

if TYPE_CHECKING:
    from vpsops.bot.workspaces.oauth import InstallService

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bot:
    """A running bot: `bolt` for Socket Mode; over HTTP Slack's request URL, if it is configured, and other routes."""

    context: BotContext
    bolt: AsyncApp
    inbox_worker: InboxWorker
    request_url: ASGIApp | None
    routes: list[Route]
    secrets: SlackSecrets

    @property
    def asgi(self) -> ASGIApp:
        """The bot as an application of its own."""
        return self.in_front_of(Starlette(routes=self.routes))

    def in_front_of(self, app: ASGIApp) -> ASGIApp:
        """Return an application that serves Slack's request URL, and all else by `app`.

        Slack's deadline and its bursts are for this path, so it takes no way through the layers of an application.
        """
        request_url = self.request_url
        if request_url is None:
            return app

        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            await (request_url if scope.get("path") == PATH else app)(scope, receive, send)

        return front


@asynccontextmanager
async def open_bot(core: Core) -> AsyncIterator[Bot]:
    """Run the bot until the block ends, then finish accepted deliveries within `DRAIN_SECONDS`.

    Neither Slack nor the provider needs to be reachable.
    """
    async with aiohttp.ClientSession() as session, anyio.create_task_group() as group:
        slack = SlackClient(core.settings, session, telemetry=core.telemetry)
        install_service = installing_of(core, session)
        core.telemetry.meter.allow("slack_method", METHODS)
        office = WorkspaceSession(core, slack, Membership(slack, core.clock, lambda: core.settings.accepted_approvers))
        offices = (
            InstalledWorkspaces(core, session, install_service.kept) if install_service else SingleWorkspace(office)
        )
        ack_scheduler = AckScheduler(core.clock)
        ctx = BotContext(core, slack, office.membership, OutboxWorker(core, offices), ack_scheduler, offices)
        inbox_worker = InboxWorker(core.inbox, core.clock, partial(_handle, ctx), ack_scheduler, core.supervisor)
        secrets = SlackSecrets(core.reloader, slack, office.membership)
        core.reloader.add(secrets.prepare)
        bolt = build_bolt(ctx, inbox_worker)
        start_loops(ctx, inbox_worker, group)
        if install_service:
            core.supervisor.start("token_keys", install_service.kept.reencrypt, group=group, ends=True)
        watch_health(ctx, secrets, group)
        routes = [*health_routes(core.readiness), *(install_service.routes if install_service else [])]
        try:
            yield Bot(ctx, bolt, inbox_worker, request_url_of(ctx, bolt, secrets), routes, secrets)
            if not await inbox_worker.drain(DRAIN_SECONDS):
                logger.warning("stopped_with_deliveries_in_hand", count=inbox_worker.busy)
            await ctx.outbox_worker.finish(FINISH_SECONDS)
        finally:
            group.cancel_scope.cancel()


def start_loops(ctx: BotContext, inbox_worker: InboxWorker, group: TaskGroup) -> None:
    """Start the background tasks."""
    supervisor, worker = ctx.core.supervisor, ctx.outbox_worker
    supervisor.start("deliveries", inbox_worker.run, group=group)
    supervisor.start(OUTBOX, worker.run, group=group, ends=True)
    supervisor.start(CARDS, CardRefresher(ctx.core, worker.redraw).run, group=group)
    supervisor.start("homes", partial(keep_current, ctx), group=group)
    core = ctx.core
    directory = SlackAccounts(ctx.sessions, core.workspaces)
    supervisor.start("accounts", partial(core.account_questions.answer_from, directory), group=group)


def watch_health(ctx: BotContext, secrets: SlackSecrets, group: TaskGroup) -> None:
    """Register the readiness checks: outgoing messages, deliveries, and the token of a single workspace."""
    readiness, health = ctx.core.readiness, ctx.outbox_worker.health
    readiness.need(OUTBOX, INBOX)
    readiness.add("slack_token", lambda: f"Slack refuses the token ({health.why})" if health.why else "")
    if not ctx.core.workspaces.several:
        check = TokenCheck(ctx.slack, ctx.core.outbox, ctx.core.clock, health)
        ctx.core.supervisor.start("slack_token", check.run, group=group)
        secrets.accepted = partial(ctx.core.supervisor.start_once, "slack_token_check", check.check, group=group)


def installing_of(core: Core, session: aiohttp.ClientSession) -> "InstallService | None":
    """Return the installation support if several workspaces are configured, else None."""
    if not core.workspaces.several:
        return None
    from vpsops.bot.workspaces.oauth import open_install_service  # noqa: PLC0415 - cryptography is for those who need it

    return open_install_service(core, session)


def build_bolt(ctx: BotContext, inbox_worker: InboxWorker) -> AsyncApp:
    """Build the Bolt app; its first middleware answers all that was parsed from verified bytes.

    Bolt's default authorization calls Slack before the first acknowledgement; this one uses the known token.
    """

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=ctx.slack.client.token)

    # `authorize` supplies the token: Bolt warns if it is passed twice
    client = AsyncWebClient(base_url=ctx.slack.client.base_url, session=ctx.slack.session, logger=slack_logger)
    bolt = AsyncApp(
        name="vpsops",
        logger=slack_logger,
        process_before_response=True,
        client=client,
        authorize=authorize,
        before_authorize=PayloadDispatcher(inbox_worker, partial(_options, ctx), ctx.sessions.removed),
        request_verification_enabled=False,  # verified before Bolt: the dispatcher refuses what was not
        ssl_check_enabled=False,  # likewise answered before
        ignoring_self_events_enabled=False,  # no event gets there
        attaching_function_token_enabled=False,
        raise_error_for_unhandled_request=True,  # else Bolt answers 404, and Slack sends it again
    )
    bolt.error(answer_failed)
    return bolt


def request_url_of(ctx: BotContext, bolt: AsyncApp, secrets: SlackSecrets) -> ASGIApp | None:
    """Return what serves Slack's request URL, behind request verification; None without a signing secret."""
    if not secrets.signing_secret:
        return None
    guard = secrets.guard = SlackRequestVerifier(_bolt_endpoint(bolt), secrets.signing_secret, ctx.core.clock)
    meter, clock = ctx.core.telemetry.meter, ctx.core.clock

    async def acknowledge(scope: Scope, receive: Receive, send: Send) -> None:
        begun = clock.monotonic()
        with ctx.ack_scheduler.acknowledging():
            await guard(scope, receive, send)
        meter.observe(SLACK_ACK_SECONDS, clock.monotonic() - begun, transport="http")

    return acknowledge


async def _handle(ctx: BotContext, delivery: InboxDelivery, payload: BaseModel | None) -> None:
    """Handle a delivery in a trace of its own, which the trace of a change that it asks for goes on from."""
    name = delivery.kind if delivery.kind in KINDS else OTHER
    attributes = {"messaging.system": "slack", "messaging.operation.type": "process"}
    with ctx.core.telemetry.tracer.span(f"slack {name}", SpanRole.CONSUMER, attributes, parent=NEW_TRACE):
        await handle(ctx, delivery, payload)


async def _options(ctx: BotContext, suggestion: BlockSuggestion) -> list[Block]:
    try:
        return await options_for(await ctx.at(claims_of(suggestion).workspace), suggestion)
    except VpsopsError as error:
        logger.info("menu_options_unavailable", error=error.message, error_id=error.error_id)
        return []


def _bolt_endpoint(bolt: AsyncApp) -> ASGIApp:
    """Return Bolt as an application behind request verification; its own adapter verifies and parses once more."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = (await receive())["body"].decode()
            request = bolt_request(scope[PARSED_PAYLOAD], body=body, headers=dict(scope[VERIFIED_HEADERS]))
            result = await bolt.async_dispatch(request)
            response = Response(result.body, result.status, result.first_headers())
        except Exception as error:  # noqa: BLE001 - Bolt assumes more of a payload than is verified
            logger.warning("signed_request_rejected", error=type(error).__name__)
            response = Response("malformed", status_code=400)
        await response(scope, receive, send)

    return dispatch
