"""What Slack answers to a message of ours, and what is done about it; pure. docs/slack.md has the same table.

The words are those of the method pages of chat.postMessage, chat.update and chat.postEphemeral.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class ErrorAction(StrEnum):
    """What is done about an answer."""

    REPOST = "post anew"  # the message that was to be edited is gone
    FALLBACK_CHANNEL = "go elsewhere"  # this place is closed to us
    PLAIN_LAYOUT = "draw plainer"  # the layout is refused
    WAIT = "wait as told"
    STOP = "keep all"  # nothing gets out with this token
    RETRY = "try again"  # whatever else it is, it may pass


ACTION_CODES: Final[Mapping[ErrorAction, frozenset[str]]] = {
    ErrorAction.REPOST: frozenset({"message_not_found", "edit_window_closed", "cant_update_message"}),
    ErrorAction.FALLBACK_CHANNEL: frozenset(
        {
            "not_in_channel",
            "channel_not_found",
            "is_archived",
            "is_inactive",
            "user_disabled",
            "user_not_found",
            "messages_tab_disabled",
            "cannot_reply_to_message",
            "thread_not_found",
            "restricted_action",
            "restricted_action_non_threadable_channel",
            "restricted_action_read_only_channel",
            "restricted_action_thread_locked",
            "restricted_action_thread_only_channel",
            "team_access_not_granted",
        }
    ),
    ErrorAction.PLAIN_LAYOUT: frozenset(
        {"invalid_arguments", "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"}
    ),
    ErrorAction.WAIT: frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"}),
    ErrorAction.STOP: frozenset(
        {
            "account_inactive",
            "invalid_auth",
            "not_authed",
            "org_login_required",
            "team_added_to_org",
            "token_expired",
            "token_revoked",
        }
    ),
}


def action_for(code: str) -> ErrorAction:
    """Say what is done about Slack's word; a word we do not know may pass."""
    return next((one for one, codes in ACTION_CODES.items() if code in codes), ErrorAction.RETRY)
