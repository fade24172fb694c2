"""Bolt's listeners: parse the payload, store it, acknowledge. They wait for nothing but the database."""

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import structlog
from pydantic import BaseModel, ValidationError
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_bolt.error import BoltUnhandledRequestError

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

ANY: Final = re.compile(".*", re.DOTALL)
NOT_STORED: Final = "Your request could not be stored, so nothing was done. Try again in a moment."

logger = structlog.get_logger(__name__)
Body = dict[str, Any]
M = TypeVar("M", bound=BaseModel)
Suggest = Callable[[BlockSuggestion], Awaitable[list[Block]]]
Removed = Callable[[str, float], Awaitable[None]]


def register(app: AsyncApp, inbox_worker: InboxWorker, suggest: Suggest, removed: Removed) -> None:
    """Register listeners that store every request; only menu options are answered immediately."""
    for command in COMMANDS:
        app.command(command)(_command(inbox_worker))
    app.event(OPENED)(_event(inbox_worker))
    for kind in MESSAGES:
        app.event(kind)(_message(inbox_worker))
    for event in (UNINSTALLED, REVOKED):
        app.event(event)(_removed(removed))
    app.action(ANY)(_click(inbox_worker))
    app.view(ANY)(_submission(inbox_worker))
    app.shortcut(ANY)(_shortcut(inbox_worker))
    app.options(ANY)(_options(suggest))
    app.command(ANY)(_unknown_command)  # Socket Mode redelivers what is not acknowledged
    app.event(ANY)(_unknown_event)
    app.error(_broken)


async def _unknown_command(ack: AsyncAck) -> None:
    await ack(text=f"Unknown command. Nothing was done. {SLASH} help lists the commands.")


async def _unknown_event(body: Body) -> None:
    event = body.get("event")
    logger.info("event_ignored", type=str(event.get("type", "")) if isinstance(event, dict) else "")


async def _broken(error: Exception) -> BoltResponse:
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


def _command(inbox_worker: InboxWorker) -> Callable[..., Awaitable[None]]:
    async def on_command(body: Body, context: AsyncBoltContext, ack: AsyncAck) -> None:
        command = _read(SlashCommand, body, context)
        try:
            await inbox_worker.accept(command_key(command.trigger_id), COMMAND, command)
        except StorageError as error:
            logger.error("command_not_stored", error=error.message, error_id=error.error_id)
            await ack(text=f"{NOT_STORED} ({error.error_id})")
            return
        await ack()

    return on_command


def _click(inbox_worker: InboxWorker) -> Callable[..., Awaitable[None]]:
    async def on_click(body: Body, context: AsyncBoltContext, ack: AsyncAck) -> None:
        click = _read(BlockActions, body, context)
        try:
            await inbox_worker.accept(click_key(click), CLICK, without_secrets(click))
        except StorageError as error:  # without an acknowledgement, Slack shows a warning
            logger.error("click_not_stored", error=error.message, error_id=error.error_id)
            raise
        await ack()

    return on_click


def _submission(inbox_worker: InboxWorker) -> Callable[..., Awaitable[None]]:
    async def on_submission(body: Body, context: AsyncBoltContext, ack: AsyncAck) -> None:
        submission = _read(ViewSubmission, body, context)
        wrong = errors_of(submission)
        if wrong:
            await ack(response_action="errors", errors=dict(wrong))
            return
        try:
            await inbox_worker.accept(submission_key(submission), SUBMISSION, submission)
        except StorageError as error:
            logger.error("submission_not_stored", error=error.message, error_id=error.error_id)
            await ack(response_action="update", view=busy_view("Not done", f"{NOT_STORED} ({error.error_id})"))
            return
        await ack(response_action="update", view=_working(submission))

    return on_submission


def _read(model: type[M], body: Body, context: AsyncBoltContext) -> M:
    """Return the payload as the guard has read it; by Socket Mode there is no guard before us."""
    checked = context.get(PARSED_PAYLOAD)
    if isinstance(checked, model):
        return checked
    try:
        return model.model_validate(body)
    except ValidationError:
        raise MalformedPayloadError("the payload lacks what one of its kind has") from None


def _event(inbox_worker: InboxWorker) -> Callable[..., Awaitable[None]]:
    async def on_event(body: Body, context: AsyncBoltContext) -> None:
        """What is not stored is not acknowledged either, so that Slack sends it again."""
        event = _read(EventCallback, body, context)
        if event.event.get("tab", "home") == "home":
            await inbox_worker.accept(event_key(event), EVENT, event)

    return on_event


def _message(inbox_worker: InboxWorker) -> Callable[..., Awaitable[None]]:
    async def on_message(body: Body, context: AsyncBoltContext) -> None:
        """Store what a person typed to the app; all other messages are acknowledged and forgotten."""
        message = chat_messages.chat_message_from(_read(EventCallback, body, context))
        if message is not None:
            await inbox_worker.accept(message_key(message), MESSAGE, message)

    return on_message


def _removed(removed: Removed) -> Callable[..., Awaitable[None]]:
    async def on_removed(body: Body, context: AsyncBoltContext) -> None:
        """Store the removal before acknowledging, so that Slack redelivers if that fails."""
        event = _read(EventCallback, body, context)
        tokens = event.event.get("tokens")
        people_only = event.event.get("type") == REVOKED and not (isinstance(tokens, dict) and tokens.get("bot"))
        if event.team_id and not people_only:
            await removed(event.team_id, math.inf if event.event_time is None else event.event_time)

    return on_removed


def _shortcut(inbox_worker: InboxWorker) -> Callable[..., Awaitable[None]]:
    async def on_shortcut(body: Body, context: AsyncBoltContext, ack: AsyncAck) -> None:
        shortcut = _read(ShortcutPayload, body, context)
        try:
            await inbox_worker.accept(shortcut_key(shortcut), SHORTCUT, shortcut)
        except StorageError as error:  # without an acknowledgement, Slack shows a warning
            logger.error("shortcut_not_stored", error=error.message, error_id=error.error_id)
            raise
        await ack()

    return on_shortcut


def _options(suggest: Suggest) -> Callable[..., Awaitable[None]]:
    async def on_options(body: Body, context: AsyncBoltContext, ack: AsyncAck) -> None:
        await ack(options=await suggest(_read(BlockSuggestion, body, context)))

    return on_options


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
