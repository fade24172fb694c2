"""Maps Slack's error codes for messages to actions. docs/slack.md has the same table.

Source of the codes: the method pages of chat.postMessage, chat.update and chat.postEphemeral.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class ErrorAction(StrEnum):
    """What is done after a failed message."""

    REPOST = "repost"  # the message to edit no longer exists
    FALLBACK_CHANNEL = "go elsewhere"  # the channel is not open to the app
    PLAIN_LAYOUT = "draw plainer"  # the layout is refused
    WAIT = "wait"

    STOP = "keep all"  # the token is not accepted
    RETRY = "try again"  # may be temporary


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
            "cannot_dm_bot",
            "cannot_reply_to_message",
            "thread_not_found",
            "restricted_action",
            "restricted_action_non_threadable_channel",
            "restricted_action_read_only_channel",
            "restricted_action_thread_locked",
            "restricted_action_thread_only_channel",
            "team_access_not_granted",
            "team_not_found",
            "access_denied",
            "ekm_access_denied",
            "enterprise_is_restricted",
            "no_permission",
            "not_allowed",
            "user_not_visible",
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
            "not_allowed_token_type",
            "not_authed",
            "org_login_required",
            "team_added_to_org",
            "token_expired",
            "token_revoked",
            "two_factor_setup_required",
        }
    ),
}


def action_for(code: str) -> ErrorAction:
    """Return the action for an error code; unknown codes are retried."""
    return next((action for action, codes in ACTION_CODES.items() if code in codes), ErrorAction.RETRY)
