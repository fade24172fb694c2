"""What Bolt calls: read the payload, store it, acknowledge. Thin on purpose: nothing here waits for anybody else."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp

from bot import names
from bot.blocks.build import Block
from bot.blocks.forms import busy_view, read_values
from bot.checks import create_errors, deny_errors
from bot.deliveries import CLICK, COMMAND, SUBMISSION, Intake, click_key, command_key, submission_key
from bot.wire import Click, SlashCommand, Submission
from bot.words import SLASH
from core.errors import StorageError

COMMANDS: Final = (SLASH,)
EVENTS: Final[tuple[str, ...]] = ()
SHORTCUTS: Final[tuple[str, ...]] = ()
"""What the manifest must declare; a test holds both against each other."""

ANY: Final = re.compile(".*", re.DOTALL)
SORRY: Final = "I cannot write down what you asked just now, so nothing was done. Try again in a moment."

log = structlog.get_logger(__name__)
Body = dict[str, Any]


def register(app: AsyncApp, intake: Intake) -> None:
    """Hand everything Slack may send to the intake."""
    for command in COMMANDS:
        app.command(command)(_command(intake))
    app.action(ANY)(_click(intake))
    app.view(ANY)(_submission(intake))


def _command(intake: Intake) -> Callable[..., Awaitable[None]]:
    async def on_command(body: Body, ack: AsyncAck) -> None:
        command = SlashCommand.model_validate(body)
        try:
            await intake.accept(command_key(command.trigger_id), COMMAND, command.model_dump())
        except StorageError as error:
            log.error("command not stored", error=error.message, error_id=error.error_id)
            await ack(text=f"{SORRY} ({error.error_id})")
            return
        await ack()

    return on_command


def _click(intake: Intake) -> Callable[..., Awaitable[None]]:
    async def on_click(body: Body, ack: AsyncAck) -> None:
        click = Click.model_validate(body)
        try:
            await intake.accept(click_key(click), CLICK, click.model_dump())
        except StorageError as error:  # no answer tells the person that it failed, and Slack shows a warning
            log.error("click not stored", error=error.message, error_id=error.error_id)
            raise
        await ack()

    return on_click


def _submission(intake: Intake) -> Callable[..., Awaitable[None]]:
    async def on_submission(body: Body, ack: AsyncAck) -> None:
        submission = Submission.model_validate(body)
        wrong = errors_of(submission)
        if wrong:
            await ack(response_action="errors", errors=dict(wrong))
            return
        try:
            await intake.accept(submission_key(submission), SUBMISSION, submission.model_dump())
        except StorageError as error:
            log.error("submission not stored", error=error.message, error_id=error.error_id)
            await ack(response_action="update", view=busy_view("Not done", f"{SORRY} ({error.error_id})"))
            return
        await ack(response_action="update", view=_working(submission))

    return on_submission


def errors_of(submission: Submission) -> Mapping[str, str]:
    """Return what is wrong in a form, by field; pure, so it can be said at once."""
    values = read_values(submission.view.state.values)
    if submission.view.callback_id == names.CREATE_FORM:
        return create_errors(values)
    if submission.view.callback_id == names.DENY_FORM:
        return deny_errors(values)
    return {}


def _working(submission: Submission) -> Block:
    title = "New server" if submission.view.callback_id == names.CREATE_FORM else "One moment"
    return busy_view(title, "Working on it …")
