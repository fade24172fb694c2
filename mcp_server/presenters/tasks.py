"""A change as a task: its id is the change's, and its state is read from the change, so it survives a restart.

Pure, except for the wire forms.
"""

from datetime import datetime
from typing import Final

import mcp.types as t

from vpsops.core.changes.approvals import CLIENT, awaits_slack, confirms_in, is_unconfirmed
from vpsops.core.changes.model import Change, State
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import duration, moment
from vpsops.core.common.timings import Timing
from vpsops.core.policy.decision import Decision
from vpsops.mcp_server.presenters import results
from vpsops.mcp_server.presenters.changes import note_text, status_text, subject
from vpsops.mcp_server.protocol import sdk_compat
from vpsops.mcp_server.protocol.elicitation import confirmation_form
from vpsops.mcp_server.protocol.tasks import McpTask, McpTaskStatus
from vpsops.mcp_server.protocol.text import join_nonempty

HELD_POLL_MS: Final = 5_000
YOUNG_SECONDS: Final = 60.0
SHOWN_DIGEST: Final = 32
"""Characters of the digest in a question's key, so that an answer names the displayed change."""


def task_from(change: Change, timing: Timing, now: datetime, *, can_ask: bool, tools: bool) -> McpTask:
    """Return a change as a task, for a client that can ask its human or cannot."""
    status = task_status(change, can_ask=can_ask)
    payload: dict[str, Json] = {}
    if status is McpTaskStatus.COMPLETED:
        payload = {"result": _wire(results.change_tool_result(change, tools=tools))}
    elif status is McpTaskStatus.INPUT_REQUIRED:
        payload = {"inputRequests": {question_key(change): _wire(sdk_compat.form_request(confirmation_form(change)))}}
    return McpTask(
        id=change.id,
        status=status,
        message=task_message(change, now),
        created_at=change.created_at,
        updated_at=change.updated_at,
        poll_ms=poll_interval_ms(change, timing, now),
        payload=payload,
    )


def task_status(change: Change, *, can_ask: bool) -> McpTaskStatus:
    """Return a task's status: completed once the change has ended, unless it was cancelled."""
    if change.state is State.CANCELLED:
        return McpTaskStatus.CANCELLED
    if change.state.final:
        return McpTaskStatus.COMPLETED
    return McpTaskStatus.INPUT_REQUIRED if can_ask and awaits_own_human(change) else McpTaskStatus.WORKING


def awaits_own_human(change: Change) -> bool:
    """Return whether a change waits for its asker's own human, and the client may ask them."""
    return is_unconfirmed(change) and confirms_in(change, CLIENT)


def task_message(change: Change, now: datetime) -> str:
    """Return the status of a change in one line, for the client's human."""
    if change.state is State.HELD:
        until = f"open until {moment(change.expires_at)}" if change.expires_at else ""
        return join_nonempty((f"{subject(change)} waits for {_what_for(change)}", until))
    line = f"{subject(change)} {status_text(change)}"
    if not change.state.final and change.sent_at is not None:
        line += f", {duration((now - change.sent_at).total_seconds())}"
    return join_nonempty((line, note_text(change)), ". ")


def _what_for(change: Change) -> str:
    if change.ruling.decision is not Decision.APPROVE:
        return "its human's confirmation in Slack" if awaits_slack(change) else "its human's confirmation"
    return f"approval in Slack: {change.approvals} of {max(change.ruling.votes, 1)} given"


def poll_interval_ms(change: Change, timing: Timing, now: datetime) -> int:
    """Return the poll interval in milliseconds: no shorter than anything can have happened."""
    if change.state in {State.HELD, State.SCHEDULED, State.NEEDS_PERSON}:
        return HELD_POLL_MS
    began = change.sent_at or change.created_at
    young = (now - began).total_seconds() < YOUNG_SECONDS
    return int((timing.poll_young if young else timing.poll_grown) * 1000)


def question_key(change: Change) -> str:
    """Return the key of a change's question: it is never another question's."""
    return f"{sdk_compat.QUESTION}-{change.digest[:SHOWN_DIGEST]}"


def _wire(model: t.Result | t.ElicitRequest) -> Json:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)
