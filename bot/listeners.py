"""What Bolt hands every request to: store the payload, acknowledge. Nothing but the database is waited for."""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from pydantic import BaseModel
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncBoltRequest
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.middleware.async_middleware import AsyncMiddleware

from vpsops.bot.blocks.elements import Block
from vpsops.bot.features.operation_forms import form_errors
from vpsops.bot.features.validation import create_errors, deny_errors, name_errors
from vpsops.bot.handlers.home import OPENED
from vpsops.bot.ingress.interaction import CLICK, COMMAND, EVENT, MESSAGE, SHORTCUT, SUBMISSION
from vpsops.bot.ingress.request_verification import PARSED_PAYLOAD
from vpsops.bot.ingress.worker import (
    InboxWorker,
    click_key,
    command_key,
    event_key,
    message_key,
    shortcut_key,
    submission_key,
)
from vpsops.bot.protocol import action_ids, chat_messages
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.bot.protocol.payloads import (
    BlockActions,
    BlockSuggestion,
    EventCallback,
    MalformedPayloadError,
    OtherPayload,
    ShortcutPayload,
    SlashCommand,
    ViewPayload,
    ViewSubmission,
)
from vpsops.bot.views.break_glass import override_errors, review_errors
from vpsops.bot.views.modals import busy_view, metadata_of, read_values, typed_name
from vpsops.core.common.errors import StorageError
from vpsops.core.common.text import one_line

COMMANDS: Final = (SLASH,)
UNINSTALLED: Final = "app_uninstalled"
REVOKED: Final = "tokens_revoked"
MESSAGES: Final = {chat_messages.APP_MENTION: "app_mention", chat_messages.MESSAGE: "message.im"}
"""The types of messages to the app, and the subscriptions that they come by."""
EVENTS: Final = (OPENED, *MESSAGES.values(), UNINSTALLED, REVOKED)
SHORTCUTS: Final = (action_ids.NEW_SERVER, action_ids.ACT_ON)
"""Callback ids that the manifest must declare; a test compares both."""

RATE_LIMITED: Final = "app_rate_limited"
"""Slack's notice that it withholds events for the rest of a minute, over HTTP."""
MAX_KIND: Final = 40

NOT_STORED: Final = "Your request could not be stored, so nothing was done. Try again in a moment."

logger = structlog.get_logger(__name__)
Suggest = Callable[[BlockSuggestion], Awaitable[list[Block]]]
Removed = Callable[[str, float], Awaitable[None]]


class PayloadDispatcher(AsyncMiddleware):
    """Bolt's first middleware: answers each payload by its model, before Bolt authorizes and searches its listeners.

    It reads nothing of a request but the payload that was parsed from verified bytes: without one it refuses. What is
    only acknowledged passes to Bolt's own middleware.
    """

    def __init__(self, inbox_worker: InboxWorker, suggest: Suggest, removed: Removed) -> None:
        self._inbox_worker = inbox_worker
        self._suggest = suggest
        self._removed = removed
        self._listeners: Mapping[type[Any], Callable[[Any, AsyncAck], Awaitable[BoltResponse]]] = {
            SlashCommand: self._command,
            BlockActions: self._click,
            ViewSubmission: self._submission,
            EventCallback: self._event,
            ShortcutPayload: self._shortcut,
            BlockSuggestion: self._options,
        }
        self._events: Mapping[str, Callable[[EventCallback], Awaitable[object]]] = {
            OPENED: self._opened,
            **dict.fromkeys(MESSAGES, self._message),
            **dict.fromkeys((UNINSTALLED, REVOKED), self._uninstalled),
        }

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,  # noqa: ARG002 - Bolt's signature
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002 - likewise
    ) -> BoltResponse | None:
        """Answer a request, or let Bolt go on with it; raises what storing a payload raises."""
        payload = req.context.get(PARSED_PAYLOAD)
        listener = self._listeners.get(type(payload))
        if listener is not None:
            return await listener(payload, req.context.ack)
        if isinstance(payload, OtherPayload):
            return await next()
        logger.error("unverified_request_refused", type=type(payload).__name__)
        return BoltResponse(status=401, body="not signed")

    async def _command(self, command: SlashCommand, ack: AsyncAck) -> BoltResponse:
        if command.command not in COMMANDS:  # Socket Mode redelivers what is not acknowledged
            return await ack(text=f"Unknown command. Nothing was done. {SLASH} help lists the commands.")
        try:
            await self._inbox_worker.accept(command_key(command.trigger_id), COMMAND, command)
        except StorageError as error:
            logger.error("command_not_stored", error=error.message, error_id=error.error_id)
            return await ack(text=f"{NOT_STORED} ({error.error_id})")
        return await ack()

    async def _click(self, click: BlockActions, ack: AsyncAck) -> BoltResponse:
        try:
            await self._inbox_worker.accept(click_key(click), CLICK, without_secrets(click))
        except StorageError as error:  # without an acknowledgement, Slack shows a warning
            logger.error("click_not_stored", error=error.message, error_id=error.error_id)
            raise
        return await ack()

    async def _submission(self, submission: ViewSubmission, ack: AsyncAck) -> BoltResponse:
        wrong = errors_of(submission)
        if wrong:
            return await ack(response_action="errors", errors=dict(wrong))
        try:
            await self._inbox_worker.accept(submission_key(submission), SUBMISSION, submission)
        except StorageError as error:
            logger.error("submission_not_stored", error=error.message, error_id=error.error_id)
            return await ack(response_action="update", view=busy_view("Not done", f"{NOT_STORED} ({error.error_id})"))
        return await ack(response_action="update", view=_working(submission))

    async def _event(self, event: EventCallback, ack: AsyncAck) -> BoltResponse:
        """Acknowledge an event once it is stored: Slack sends what is not acknowledged again."""
        kind = str(event.event.get("type", ""))
        listener = self._events.get(kind)
        if listener is None:
            logger.info("event_ignored", type=one_line(kind, MAX_KIND))
        else:
            await listener(event)
        return await ack()

    async def _opened(self, event: EventCallback) -> None:
        if event.event.get("tab", "home") == "home":
            await self._inbox_worker.accept(event_key(event), EVENT, event)

    async def _message(self, event: EventCallback) -> None:
        """Store what a person typed to the app; all other messages are acknowledged and forgotten."""
        message = chat_messages.chat_message_from(event)
        if message is not None:
            await self._inbox_worker.accept(message_key(message), MESSAGE, message)

    async def _uninstalled(self, event: EventCallback) -> None:
        tokens = event.event.get("tokens")
        people_only = event.event.get("type") == REVOKED and not (isinstance(tokens, dict) and tokens.get("bot"))
        if event.team_id and not people_only:
            await self._removed(event.team_id, math.inf if event.event_time is None else event.event_time)

    async def _shortcut(self, shortcut: ShortcutPayload, ack: AsyncAck) -> BoltResponse:
        try:
            await self._inbox_worker.accept(shortcut_key(shortcut), SHORTCUT, shortcut)
        except StorageError as error:  # without an acknowledgement, Slack shows a warning
            logger.error("shortcut_not_stored", error=error.message, error_id=error.error_id)
            raise
        return await ack()

    async def _options(self, suggestion: BlockSuggestion, ack: AsyncAck) -> BoltResponse:
        return await ack(options=await self._suggest(suggestion))


def bolt_request(payload: BaseModel, **raw: Any) -> AsyncBoltRequest:
    """Return the request that carries a payload through Bolt; the raw one is for those that Bolt itself answers."""
    context = {PARSED_PAYLOAD: payload}
    return (
        AsyncBoltRequest(**raw, context=context)
        if isinstance(payload, OtherPayload)
        else AsyncBoltRequest(body="", context=context)
    )


async def answer_failed(error: Exception) -> BoltResponse:
    """Respond for a listener that raised, or is absent; Bolt's own error text would contain the payload."""
    if isinstance(error, BoltUnhandledRequestError):
        _log_ignored(error.body)
        return BoltResponse(status=200, body="")
    if isinstance(error, MalformedPayloadError):
        logger.warning("delivery_dropped", why=str(error))
        return BoltResponse(status=200, body="")
    logger.error("listener_failed", error=type(error).__name__)
    return BoltResponse(status=500, body="")


def _log_ignored(body: Mapping[str, Any]) -> None:
    """Log a delivery that asks for nothing: a form that was closed, a new kind, or that Slack withholds events."""
    kind = one_line(str(body.get("type") or "unknown"), MAX_KIND)
    if kind == RATE_LIMITED:
        logger.warning("slack_events_withheld", hint="Slack sends no more events of this minute: the app gets too many")
        return
    logger.info("delivery_ignored", type=kind)


def without_secrets(click: BlockActions) -> BlockActions:
    """Return a click as it is stored: text in a form's field for public keys that is no public key stays out."""
    values = click.view.state.values if click.view else {}
    typed = read_values(values).get("ssh_keys", "")
    if not typed or not create_errors({"hostname": "a.example", "ssh_keys": typed}):
        return click
    body = click.model_dump()
    body["view"]["state"]["values"]["ssh_keys"] = {}
    return BlockActions.model_validate(body)


def errors_of(submission: ViewSubmission) -> Mapping[str, str]:
    """Return a form's errors by field; without I/O, so that they fit into the acknowledgement."""
    values = read_values(submission.view.state.values)
    if submission.view.callback_id == action_ids.CREATE_FORM:
        return create_errors(values)
    if submission.view.callback_id == action_ids.DENY_FORM:
        return deny_errors(values)
    if submission.view.callback_id == action_ids.NAME_FORM:
        name = str(metadata_of(submission.view).get("n", ""))
        return name_errors(typed_name(submission.view.state.values), name)
    check = VIEW_CHECKS.get(submission.view.callback_id)
    return check(submission.view) if check is not None else {}


VIEW_CHECKS: Final[Mapping[str, Callable[[ViewPayload], Mapping[str, str]]]] = {
    action_ids.OPERATION_FORM: form_errors,
    action_ids.OVERRIDE_FORM: override_errors,
    action_ids.REVIEW_FORM: review_errors,
}


def _working(submission: ViewSubmission) -> Block:
    title = "New server" if submission.view.callback_id == action_ids.CREATE_FORM else "One moment"
    return busy_view(title, "Working on it …")
