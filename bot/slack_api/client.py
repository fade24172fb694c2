"""Client of Slack's Web API and response URLs. Checks limits before sending and maps errors to `SlackError`."""

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

import aiohttp
import anyio
from cachetools import LRUCache
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from vpsops.bot.blocks.elements import Block, Post
from vpsops.bot.blocks.tables import TableMemory, without_table
from vpsops.bot.protocol.logging import slack_logger
from vpsops.bot.slack_api.block_limits import MAX_POSTED_TEXT, MAX_TEXT, fit_post, fit_view
from vpsops.bot.slack_api.call_telemetry import RATE_LIMITED, RESPONSE_URL, UNREACHABLE, observed_call
from vpsops.bot.slack_api.error_policy import ACTION_CODES, ErrorAction
from vpsops.bot.slack_api.proxy import proxy_for
from vpsops.bot.slack_api.web_client import SlackWebClient
from vpsops.core.common import timings
from vpsops.core.config.settings import Settings
from vpsops.core.telemetry.telemetry import NO_TELEMETRY, Telemetry

TIMEOUT_SECONDS: Final = timings.SLACK_SECONDS
CONCURRENT_REPLIES: Final = 16
"""Maximum of concurrent replies by response_url; each opens a connection."""
TOKEN_CODES: Final = ACTION_CODES[ErrorAction.STOP]
APP_REMOVED_CODES: Final = frozenset({"token_revoked", "account_inactive"})
"""The app is no longer installed in the workspace; the other `TOKEN_CODES` may be temporary."""
MESSAGE_GONE_CODES: Final = ACTION_CODES[ErrorAction.REPOST]
CHANNEL_CLOSED_CODES: Final = ACTION_CODES[ErrorAction.FALLBACK_CHANNEL]
BLOCK_CODES: Final = frozenset({"invalid_blocks", "invalid_blocks_format"})
"""The blocks are refused; the other `LAYOUT_CODES` may have another reason."""
LAYOUT_CODES: Final = ACTION_CODES[ErrorAction.PLAIN_LAYOUT]
DUPLICATE_DELETED_CODES: Final = frozenset({"duplicate_message_not_found", "duplicate_channel_not_found"})
MESSAGE_NAMESPACE: Final = UUID("6d0f8b0e-3a0e-5b8e-9d0c-2f7f4f1f9a51")
PERMALINKS_KEPT: Final = 2000
_URL: Final = re.compile(r"https?://[\w.:-]+/[\w./?=&%-]{1,500}")
RATE_LIMIT_CODES: Final = ACTION_CODES[ErrorAction.WAIT]
NO_OPEN_CHANNEL: Final = "every_place_closed"
"""Error code of our own: no channel accepted the message."""


class SlackError(Exception):
    """A failed call: `code` is Slack's error code, `retry_after` its requested delay in seconds, if any."""

    def __init__(self, method: str, code: str, retry_after: float | None = None) -> None:
        super().__init__(f"{method}: {code}")
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class ViewHandle:
    """An open view: its id, and the hash of its current version."""

    id: str
    hash: str


@dataclass(frozen=True, slots=True)
class ReplyTarget:
    """Target of a private reply: the response_url while it is valid, else the channel, else a direct message."""

    user: str
    channel: str = ""
    response_url: str = ""
    thread: str = ""
    """The thread of the channel in which the answer is shown."""


class SlackClient:
    """The Web API of one workspace. Calls raise `SlackError`, except `reply`, which tries every target."""

    def __init__(
        self,
        settings: Settings,
        session: aiohttp.ClientSession,
        token: str = "",
        *,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self._telemetry = telemetry
        token = token or (settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else "")
        self.session = session
        self._answering = anyio.Semaphore(CONCURRENT_REPLIES)
        self.client = _web_client(settings.slack_api_url, token, session, patient=True)
        self._links: LRUCache[tuple[str, str], str] = LRUCache(PERMALINKS_KEPT)
        self._once = _web_client(settings.slack_api_url, token, session, patient=False)
        self._tables = TableMemory()

    def use(self, token: str) -> None:
        """Send another token of the same workspace from the next call on."""
        self.client.token = self._once.token = token

    async def post(
        self, channel: str, post: Post, thread: str = "", name: str = "", *, broadcast: bool = False
    ) -> tuple[str, str]:
        """Post a message without retries; return its channel and timestamp.

        With a `name`, a repeated call returns the first message instead of posting another: Slack deduplicates
        by the `client_msg_id` derived from it. If that first message was deleted, it is posted again.
        """
        fitted = fit_post(post, MAX_POSTED_TEXT)
        body = {"channel": channel, **_thread_fields(thread, broadcast=broadcast)}
        once = {"client_msg_id": str(uuid5(MESSAGE_NAMESPACE, f"{channel}/{thread}/{name}"))} if name else {}
        try:
            answer = await self._or_plain("chat.postMessage", body | once, fitted)
        except SlackError as error:
            if error.code not in DUPLICATE_DELETED_CODES:
                raise
            answer = await self._or_plain("chat.postMessage", body, fitted)
        return str(answer["channel"]), str(answer["ts"])

    async def update(self, channel: str, ts: str, post: Post) -> None:
        """Edit a message of this app."""
        fitted = fit_post(post)
        await self._or_plain("chat.update", {"channel": channel, "ts": ts}, fitted)

    async def open_view(self, trigger: str, view: Block) -> ViewHandle:
        """Open a view for the user of a trigger_id, which is valid for 3 seconds."""
        return _view_handle(
            await self._call(self.client, "views.open", {"trigger_id": trigger, "view": fit_view(view)})
        )

    async def update_view(self, handle: ViewHandle, view: Block) -> ViewHandle:
        """Replace a view's content; raises `SlackError` (`hash_conflict`) if it has changed since `handle`."""
        body = {"view_id": handle.id, "view": fit_view(view), **({"hash": handle.hash} if handle.hash else {})}
        return _view_handle(await self._call(self.client, "views.update", body))

    async def publish_view(self, user: str, view: Block, known: str = "") -> ViewHandle:
        """Publish a user's Home; raises `SlackError` (`hash_conflict`) unless the current hash is `known`."""
        body = {"user_id": user, "view": fit_view(view), **({"hash": known} if known else {})}
        return _view_handle(await self._call(self.client, "views.publish", body))

    async def get(self, method: str, params: Mapping[str, str]) -> dict[str, Any]:
        """Call a read method."""
        return await self._call(self.client, method, dict(params), reads=True)

    async def socket_url(self, app_token: str) -> str:
        """Return a new address for Socket Mode, which is good for one connection; asked for once."""
        call = self._once.apps_connections_open(app_token=app_token)
        with observed_call(self._telemetry, "apps.connections.open"):
            return str((await _answer_of("apps.connections.open", call)).get("url", ""))

    async def permalink(self, channel: str, ts: str) -> str:
        """Return a message's permalink (cached, as it never changes), or "" if Slack does not return it."""
        known = self._links.get((channel, ts))
        if known is None:
            try:
                answer = await self.get("chat.getPermalink", {"channel": channel, "message_ts": ts})
            except SlackError as error:
                slack_logger.info("permalink_unavailable code=%s", error.code)
                return ""
            link = str(answer.get("permalink", ""))
            known = self._links[channel, ts] = link if _URL.fullmatch(link) else ""
        return known

    async def reply(self, target: ReplyTarget, post: Post, *, replace: bool = False, everyone: bool = False) -> None:
        """Reply privately, or to the channel if `everyone`: by response_url, else ephemerally, else by message."""
        if target.response_url:
            async with self._answering:
                if await self._respond(target, post, replace=replace, everyone=everyone):
                    return
        fitted = fit_post(post, MAX_POSTED_TEXT)
        threaded = _thread_fields(target.thread, broadcast=False)
        for method, place, where in (
            ("chat.postEphemeral", target.channel, threaded),
            ("chat.postMessage", target.user, {}),
        ):
            if place:
                body = {"channel": place, "user": target.user, **where}
                try:
                    await self._or_plain(method, body, fitted, self.client)
                except SlackError as error:
                    slack_logger.info("reply_failed method=%s code=%s", method, error.code)
                else:
                    return

    async def _respond(self, target: ReplyTarget, post: Post, *, replace: bool, everyone: bool) -> bool:
        fitted = fit_post(post, MAX_TEXT if replace else MAX_POSTED_TEXT)
        hook = AsyncWebhookClient(
            target.response_url, timeout=TIMEOUT_SECONDS, session=self.session, retry_handlers=[], logger=slack_logger
        )
        hook.proxy = proxy_for(target.response_url)
        kind = "in_channel" if everyone else "ephemeral"
        first = self._tables.layout(fitted)
        for variant in (first, _without_tables(fitted)):
            try:
                body = {"response_type": kind, "replace_original": replace, **_message_body(variant)}
                body |= {} if replace else _thread_fields(target.thread, broadcast=False)
                with observed_call(self._telemetry, RESPONSE_URL):
                    answer = await hook.send_dict(body)
            except (aiohttp.ClientError, TimeoutError, OSError):
                return False
            if answer.status_code == 200:  # noqa: PLR2004 - Slack's yes
                if variant is not first:
                    self._tables.refuse(first)
                return True
            if "invalid_blocks" not in answer.body:
                return False
        return False

    async def _or_plain(
        self, method: str, body: dict[str, Any], post: Post, client: AsyncWebClient | None = None
    ) -> dict[str, Any]:
        """Call a method with a message; repeat it with a plain layout if Slack rejects the blocks."""
        client, first = client or self._once, self._tables.layout(post)
        try:
            return await self._call(client, method, {**body, **_message_body(first)})
        except SlackError as error:
            if error.code not in LAYOUT_CODES:
                raise
            slack_logger.warning("layout_rejected %s", error)
            answer = await self._call(client, method, {**body, **_message_body(_without_tables(post))})
            if error.code in BLOCK_CODES:
                self._tables.refuse(first)
            return answer

    async def _call(
        self, client: AsyncWebClient, method: str, body: dict[str, Any], *, reads: bool = False
    ) -> dict[str, Any]:
        call = client.api_call(method, http_verb="GET", params=body) if reads else client.api_call(method, json=body)
        with observed_call(self._telemetry, method):
            return await _answer_of(method, call)


async def _answer_of(method: str, call: Awaitable[AsyncSlackResponse]) -> dict[str, Any]:
    try:
        answer = await call
    except SlackApiError as error:
        raise _slack_error(method, error) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise SlackError(method, f"{UNREACHABLE} ({type(error).__name__})") from None
    return answer.data if isinstance(answer.data, dict) else {}


def _web_client(url: str, token: str, session: aiohttp.ClientSession, *, patient: bool) -> AsyncWebClient:
    """Return an SDK client; `patient` ones wait on rate limits, others leave that to the caller."""
    base = url if url.endswith("/") else f"{url}/"
    handlers = [AsyncRateLimitErrorRetryHandler(max_retry_count=2)] if patient else []
    client = SlackWebClient(
        token,
        base_url=base,
        timeout=TIMEOUT_SECONDS,
        session=session,
        retry_handlers=list(handlers),
        logger=slack_logger,
    )
    client.proxy = proxy_for(base)  # the SDK's own, which it takes for None too, ignores NO_PROXY
    return client


def _slack_error(method: str, error: SlackApiError) -> SlackError:
    response = error.response
    data = response.data if isinstance(response.data, dict) else {}
    code = str(data.get("error") or f"http_{response.status_code}")
    headers = {str(name).lower(): str(value) for name, value in dict(response.headers or {}).items()}
    after = headers.get("retry-after", "")
    if response.status_code == 429:  # noqa: PLR2004 - too many requests
        return SlackError(method, RATE_LIMITED, float(after) if after.isdigit() else 1.0)
    return SlackError(method, code, float(after) if after.isdigit() else None)


def _message_body(post: Post) -> dict[str, Any]:
    return {"text": post.text, "blocks": list(post.blocks), "unfurl_links": False, "unfurl_media": False}


def _thread_fields(thread: str, *, broadcast: bool) -> dict[str, Any]:
    """Return the fields that place a message in a thread; `broadcast` also shows it in the channel."""
    if not thread:
        return {}
    return {"thread_ts": thread, **({"reply_broadcast": True} if broadcast else {})}


def _without_tables(post: Post) -> Post:
    """Return the message without tables, for surfaces that reject them."""
    return fit_post(without_table(post), MAX_POSTED_TEXT)


def _view_handle(answer: Mapping[str, Any]) -> ViewHandle:
    view = answer.get("view", {})
    return ViewHandle(str(view.get("id", "")), str(view.get("hash", "")))
