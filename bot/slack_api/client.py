"""Calls to Slack's Web API and response addresses: what we send, checked against the limits; what came back, sorted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

import aiohttp
import anyio
from cachetools import LRUCache
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from vpsops.bot.blocks.elements import Block, Post
from vpsops.bot.blocks.tables import without_table
from vpsops.bot.protocol.logging import slack_logger
from vpsops.bot.slack_api.block_limits import fit_post, fit_view
from vpsops.bot.slack_api.error_policy import ACTION_CODES, ErrorAction
from vpsops.core.common import timings
from vpsops.core.config.settings import Settings

TIMEOUT_SECONDS: Final = timings.SLACK_SECONDS
CONCURRENT_REPLIES: Final = 16
"""Private answers under way at once: a hundred that a provider has let go would be a hundred new connections."""
TOKEN_CODES: Final = ACTION_CODES[ErrorAction.STOP]
APP_REMOVED_CODES: Final = frozenset({"token_revoked", "account_inactive"})
"""The app is not in the workspace any more; the other codes of `TOKEN_CODES` may pass."""
MESSAGE_GONE_CODES: Final = ACTION_CODES[ErrorAction.REPOST]
CHANNEL_CLOSED_CODES: Final = ACTION_CODES[ErrorAction.FALLBACK_CHANNEL]
LAYOUT_CODES: Final = ACTION_CODES[ErrorAction.PLAIN_LAYOUT]
DUPLICATE_DELETED_CODES: Final = frozenset({"duplicate_message_not_found", "duplicate_channel_not_found"})
MESSAGE_NAMESPACE: Final = UUID("6d0f8b0e-3a0e-5b8e-9d0c-2f7f4f1f9a51")
PERMALINKS_KEPT: Final = 2000
_URL: Final = re.compile(r"https?://[\w.:-]+/[\w./?=&%-]{1,500}")
RATE_LIMIT_CODES: Final = ACTION_CODES[ErrorAction.WAIT]
NO_OPEN_CHANNEL: Final = "every_place_closed"
"""Our own word: a message found no place that is open to us."""


class SlackError(Exception):
    """Slack did not do it; `code` is its word for why, `retry_after` its wish in seconds, if it had one."""

    def __init__(self, method: str, code: str, retry_after: float | None = None) -> None:
        super().__init__(f"{method}: {code}")
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class ViewHandle:
    """A form on somebody's screen, as it is now."""

    id: str
    hash: str


@dataclass(frozen=True, slots=True)
class ReplyTarget:
    """Where a private answer goes: a response address while it lives, else the channel, else a direct message."""

    user: str
    channel: str = ""
    response_url: str = ""


class SlackClient:
    """One workspace. Every call raises `SlackError`, except `tell`, which does what it can."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession, token: str = "") -> None:
        token = token or (settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else "")
        self.session = session
        self._answering = anyio.Semaphore(CONCURRENT_REPLIES)
        self.client = _web_client(settings.slack_api_url, token, session, patient=True)
        self._links: LRUCache[tuple[str, str], str] = LRUCache(PERMALINKS_KEPT)
        self._once = _web_client(settings.slack_api_url, token, session, patient=False)

    async def post(
        self, channel: str, post: Post, thread: str = "", name: str = "", *, broadcast: bool = False
    ) -> tuple[str, str]:
        """Post a message once, never repeating it by itself; return its channel and timestamp.

        With a `name`, a second call posts nothing and returns the first message: Slack knows it by the
        `client_msg_id` made from it (its error codes tell of it; where it should not hold, it is posted again).
        """
        fitted = fit_post(post)
        body = {"channel": channel, **_message_body(fitted), **_thread_fields(thread, broadcast=broadcast)}
        once = {"client_msg_id": str(uuid5(MESSAGE_NAMESPACE, f"{channel}/{thread}/{name}"))} if name else {}
        try:
            answer = await self._or_plain("chat.postMessage", body | once, fitted)
        except SlackError as error:
            if error.code not in DUPLICATE_DELETED_CODES:
                raise
            answer = await self._or_plain("chat.postMessage", body, fitted)
        return str(answer["channel"]), str(answer["ts"])

    async def update(self, channel: str, ts: str, post: Post) -> None:
        """Edit a message of ours."""
        fitted = fit_post(post)
        await self._or_plain("chat.update", {"channel": channel, "ts": ts, **_message_body(fitted)}, fitted)

    async def open_view(self, trigger: str, view: Block) -> ViewHandle:
        """Open a form for whoever pulled the trigger, within its three seconds."""
        return _view_handle(
            await self._call(self.client, "views.open", {"trigger_id": trigger, "view": fit_view(view)})
        )

    async def update_view(self, shown: ViewHandle, view: Block) -> ViewHandle:
        """Draw a form anew, unless its person has done something in it meanwhile (`hash_conflict`)."""
        body = {"view_id": shown.id, "view": fit_view(view), **({"hash": shown.hash} if shown.hash else {})}
        return _view_handle(await self._call(self.client, "views.update", body))

    async def publish_view(self, user: str, view: Block, known: str = "") -> ViewHandle:
        """Show somebody's Home, unless another than the one of the hash `known` is there (`hash_conflict`)."""
        body = {"user_id": user, "view": fit_view(view), **({"hash": known} if known else {})}
        return _view_handle(await self._call(self.client, "views.publish", body))

    async def get(self, method: str, params: Mapping[str, str]) -> dict[str, Any]:
        """Read something of the workspace's."""
        return await self._call(self.client, method, dict(params), reads=True)

    async def permalink(self, channel: str, ts: str) -> str:
        """Return a message's web address, or nothing where Slack does not say; it never changes, so it is kept."""
        known = self._links.get((channel, ts))
        if known is None:
            try:
                answer = await self.get("chat.getPermalink", {"channel": channel, "message_ts": ts})
            except SlackError as error:
                slack_logger.info("no link to a card: %s", error.code)
                return ""
            found = str(answer.get("permalink", ""))
            known = self._links[channel, ts] = found if _URL.fullmatch(found) else ""
        return known

    async def reply(self, where: ReplyTarget, post: Post, *, replace: bool = False, everyone: bool = False) -> None:
        """Answer a person in private, or `everyone` in the channel; a way that is closed leads to the next."""
        if where.response_url:
            async with self._answering:
                if await self._respond(where.response_url, post, replace=replace, everyone=everyone):
                    return
        fitted = fit_post(post)
        for method, place in (("chat.postEphemeral", where.channel), ("chat.postMessage", where.user)):
            if place:
                try:
                    await self._call(
                        self.client, method, {"channel": place, "user": where.user, **_message_body(fitted)}
                    )
                except SlackError as error:
                    slack_logger.info("could not answer by %s: %s", method, error.code)
                else:
                    return

    async def _respond(self, url: str, post: Post, *, replace: bool, everyone: bool) -> bool:
        fitted = fit_post(post)
        hook = AsyncWebhookClient(
            url, timeout=TIMEOUT_SECONDS, session=self.session, retry_handlers=[], logger=slack_logger
        )
        kind = "in_channel" if everyone else "ephemeral"
        for drawn in (fitted, _without_tables(fitted)):
            try:
                body = {"response_type": kind, "replace_original": replace, **_message_body(drawn)}
                answer = await hook.send_dict(body)
            except (aiohttp.ClientError, TimeoutError, OSError):
                return False
            if answer.status_code == 200:  # noqa: PLR2004 - Slack's yes
                return True
            if "invalid_blocks" not in answer.body:
                return False
        return False

    async def _or_plain(self, method: str, body: dict[str, Any], post: Post) -> dict[str, Any]:
        """Fall back on the plainer layout where Slack takes the message but not its blocks."""
        try:
            return await self._call(self._once, method, body)
        except SlackError as error:
            if error.code not in LAYOUT_CODES:
                raise
            slack_logger.warning("Slack refused a layout: %s", error)
            return await self._call(self._once, method, {**body, **_message_body(_without_tables(post))})

    async def _call(
        self, client: AsyncWebClient, method: str, body: dict[str, Any], *, reads: bool = False
    ) -> dict[str, Any]:
        try:
            answer = await (
                client.api_call(method, http_verb="GET", params=body) if reads else client.api_call(method, json=body)
            )
        except SlackApiError as error:
            raise _slack_error(method, error) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SlackError(method, f"unreachable ({type(error).__name__})") from None
        return answer.data if isinstance(answer.data, dict) else {}


def _web_client(url: str, token: str, session: aiohttp.ClientSession, *, patient: bool) -> AsyncWebClient:
    """A client that waits when told to, or one that leaves waiting and repeating to its caller."""
    base = url if url.endswith("/") else f"{url}/"
    handlers = [AsyncRateLimitErrorRetryHandler(max_retry_count=2)] if patient else []
    return AsyncWebClient(
        token,
        base_url=base,
        timeout=TIMEOUT_SECONDS,
        session=session,
        retry_handlers=list(handlers),
        logger=slack_logger,
    )


def _slack_error(method: str, error: SlackApiError) -> SlackError:
    response = error.response
    data = response.data if isinstance(response.data, dict) else {}
    code = str(data.get("error") or f"http_{response.status_code}")
    headers = {str(name).lower(): str(value) for name, value in dict(response.headers or {}).items()}
    after = headers.get("retry-after", "")
    if response.status_code == 429:  # noqa: PLR2004 - too many requests
        return SlackError(method, "ratelimited", float(after) if after.isdigit() else 1.0)
    return SlackError(method, code, float(after) if after.isdigit() else None)


def _message_body(post: Post) -> dict[str, Any]:
    return {"text": post.text, "blocks": list(post.blocks), "unfurl_links": False, "unfurl_media": False}


def _thread_fields(thread: str, *, broadcast: bool) -> dict[str, Any]:
    """Place a message in a thread; one that matters is shown in the channel as well."""
    if not thread:
        return {}
    return {"thread_ts": thread, **({"reply_broadcast": True} if broadcast else {})}


def _without_tables(post: Post) -> Post:
    """The same message for a place that refuses the finer blocks."""
    return fit_post(without_table(post))


def _view_handle(answer: Mapping[str, Any]) -> ViewHandle:
    view = answer.get("view", {})
    return ViewHandle(str(view.get("id", "")), str(view.get("hash", "")))
