"""Web API: chat.*."""

from datetime import timedelta

from vpsops.playground.slack.protocol.context import Desk
from vpsops.playground.slack.protocol.request_parsing import flag, optional, required
from vpsops.playground.slack.protocol.serializers import message_body, permalink
from vpsops.playground.slack.rendering.limit_tables import MARKDOWN_TOTAL, UPDATE_TEXT
from vpsops.playground.slack.rendering.limits import check_message
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.slack.workspace.protocol import ApiError, Json, refusal
from vpsops.playground.slack.workspace.state import MessageDraft


def post_message(desk: Desk, args: Json) -> Json:
    """chat.postMessage: put a message into a channel or a person's direct messages."""
    everywhere = "chat:write.public" in desk.scopes
    channel = desk.state.writable(required(args, "channel", "channel_not_found"), everywhere)
    message = _posted_before(desk, args, channel.id) or desk.state.post(_draft(desk, args, channel.id), desk.now())
    desk.state.client_ids.setdefault((channel.id, args.get("client_msg_id") or message.ts), message.ts)
    return {"channel": channel.id, "ts": message.ts, "message": message_body(desk.state, message)}


def _posted_before(desk: Desk, args: Json, channel: str) -> Message | None:
    """Return the message that an earlier call with the same `client_msg_id` made; known from Slack's error codes."""
    ts = desk.state.client_ids.get((channel, args.get("client_msg_id") or ""))
    if ts is None:
        return None
    message = desk.state.history.get(channel, {}).get(ts)
    if message is None:
        raise ApiError("duplicate_message_not_found")
    return message


def post_ephemeral(desk: Desk, args: Json) -> Json:
    """chat.postEphemeral: show a message to one member of a channel."""
    channel = desk.state.writable(required(args, "channel", "channel_not_found"))
    user = required(args, "user", "user_not_found")
    if desk.state.member(user).deleted or user not in channel.members:
        raise ApiError("user_not_in_channel")
    message = desk.state.post(_draft(desk, args, channel.id, user), desk.now())
    return {"message_ts": message.ts}


def update(desk: Desk, args: Json) -> Json:
    """chat.update: change one of the bot's own messages."""
    channel = desk.state.visible(required(args, "channel", "channel_not_found"))
    message = _own(desk, channel.id, args, "cant_update_message")
    if channel.archived:
        raise ApiError("is_archived")
    if desk.config.bot_user_id not in channel.members:
        raise ApiError("not_in_channel")
    _within_window(desk, message)
    text = _text(args)
    if len(text or "") > UPDATE_TEXT:
        raise ApiError("msg_too_long")
    _content(desk, args)
    edited = desk.state.edit(message, text, args.get("blocks"), desk.now())
    body = message_body(desk.state, edited)
    return {"channel": channel.id, "ts": edited.ts, "text": edited.text, "message": body}


def delete(desk: Desk, args: Json) -> Json:
    """chat.delete: take one of the bot's own messages away."""
    channel = desk.state.visible(required(args, "channel", "channel_not_found"))
    message = _own(desk, channel.id, args, "cant_delete_message")
    desk.state.remove(message)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(desk: Desk, args: Json) -> Json:
    """chat.getPermalink: the web address of a message."""
    channel = desk.state.visible(required(args, "channel", "channel_not_found"))
    ts = required(args, "message_ts", "message_not_found")
    if ts not in desk.state.history.get(channel.id, {}):
        raise ApiError("message_not_found")
    return {"channel": channel.id, "permalink": permalink(desk.state, channel.id, ts)}


def _draft(desk: Desk, args: Json, channel: str, shown_to: str | None = None) -> MessageDraft:
    _content(desk, args)
    return MessageDraft(
        channel=channel,
        user=desk.config.bot_user_id,
        text=_text(args) or "",
        blocks=tuple(args.get("blocks") or ()),
        bot_id=desk.config.bot_id,
        thread_ts=optional(args, "thread_ts"),
        metadata=args.get("metadata"),
        shown_to=shown_to,
        reply_broadcast=flag(args, "reply_broadcast"),
    )


def _content(desk: Desk, args: Json) -> None:
    blocks = args.get("blocks")
    if blocks is not None and not isinstance(blocks, list):
        raise ApiError("invalid_blocks_format")
    if not (_text(args) or blocks or args.get("attachments")):
        raise ApiError("no_text")
    if args.get("markdown_text") and (args.get("text") or blocks):
        raise ApiError("markdown_text_conflict")
    if len(str(args.get("markdown_text") or "")) > MARKDOWN_TOTAL:
        raise ApiError("msg_too_long")
    if problems := check_message(args, desk.config.refused_blocks):
        raise refusal("invalid_blocks", problems)


def _text(args: Json) -> str | None:
    value = args.get("markdown_text") or args.get("text")
    return None if value is None else str(value)


def _own(desk: Desk, channel: str, args: Json, code: str) -> Message:
    message = desk.state.history.get(channel, {}).get(required(args, "ts", "message_not_found"))
    if message is None:
        raise ApiError("message_not_found")
    if message.user != desk.config.bot_user_id:
        raise ApiError(code)
    return message


def _within_window(desk: Desk, message: Message) -> None:
    window, posted = desk.config.edit_window, message.posted_at
    if window is not None and posted is not None and desk.now() > posted + timedelta(seconds=window):
        raise ApiError("edit_window_closed")


HANDLERS = {
    "chat.postMessage": post_message,
    "chat.postEphemeral": post_ephemeral,
    "chat.update": update,
    "chat.delete": delete,
    "chat.getPermalink": get_permalink,
}
