"""Messages an app sends as the answer to a command or click, in the ack or through a response address."""

from vpsops.playground.slack.protocol.context import Desk
from vpsops.playground.slack.protocol.request_parsing import flag, optional
from vpsops.playground.slack.rendering.limits import check_message
from vpsops.playground.slack.workspace.entities import Message, ResponseUrl
from vpsops.playground.slack.workspace.protocol import ApiError, Json, refusal
from vpsops.playground.slack.workspace.state import MessageDraft


def show_reply(desk: Desk, user: str, channel: str, body: Json) -> Message:
    """Show an answer to the person alone, or to the channel when the app sends `in_channel`.

    Raises `ApiError`: no_text, invalid_blocks.
    """
    _check(desk, body)
    everyone = body.get("response_type") == "in_channel"
    draft = MessageDraft(
        channel=channel,
        user=desk.config.bot_user_id,
        text=str(body.get("text") or ""),
        blocks=tuple(body.get("blocks") or ()),
        bot_id=desk.config.bot_id,
        thread_ts=optional(body, "thread_ts"),
        shown_to=None if everyone else user,
    )
    return desk.state.post(draft, desk.now())


def respond(desk: Desk, token: str, body: Json) -> None:
    """Carry out one use of a response address.

    Raises `ApiError`: expired_url, used_url, invalid_token (404), no_text, invalid_blocks, message_not_found.
    """
    grant = desk.grants.use(token, desk.now())
    if flag(body, "delete_original"):
        desk.state.remove(_original(desk, grant))
    elif flag(body, "replace_original") and grant.message_ts is not None:
        _check(desk, body)
        text = body.get("text")
        desk.state.edit(_original(desk, grant), "" if text is None else str(text), body.get("blocks") or (), desk.now())
    else:
        show_reply(desk, grant.user, grant.channel, body)


def _original(desk: Desk, grant: ResponseUrl) -> Message:
    result = desk.state.find(grant.channel, grant.message_ts) if grant.message_ts else None
    if result is None:
        raise ApiError("message_not_found", status=404)
    return result


def _check(desk: Desk, body: Json) -> None:
    if not (body.get("text") or body.get("blocks") or body.get("attachments")):
        raise ApiError("no_text", status=400)
    if problems := check_message(body, desk.config.refused_blocks):
        error = refusal("invalid_blocks", problems)
        error.status = 400
        raise error
