"""Checks that a channel or user group may confer approval rights: people must not be able to add themselves."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from vpsops.bot.slack_api.client import SlackClient, SlackError

PUBLIC_CHANNELS: Final = "public-channels"
SHARED_CHANNELS: Final = "shared-channels"
MEMBER_EDITED_GROUPS: Final = "member-edited-groups"
ACCEPT_HINT: Final = "Ask an administrator to make it private, or to accept it with VPSOPS_ACCEPT_APPROVERS."


async def source_problem(slack: SlackClient, kind: str, ident: str, accepted: Collection[str]) -> str:
    """Return why members of a channel or user group may not decide, or ""; raises `SlackError`."""
    if kind == "channel":
        about = (await slack.get("conversations.info", {"channel": ident})).get("channel")
        return channel_problem(ident, about if isinstance(about, dict) else {}, accepted)
    return await _group_problem(slack, ident, accepted)


def channel_problem(ident: str, about: Mapping[str, Any], accepted: Collection[str]) -> str:
    """Return why a channel (from `conversations.info`) may not confer approval rights; missing fields count as open."""
    if about.get("is_private") is not True and PUBLIC_CHANNELS not in accepted:
        return f"channel {ident} is public, so anyone can join it"
    shared = about.get("is_ext_shared") or about.get("is_pending_ext_shared")
    if shared and SHARED_CHANNELS not in accepted:
        return f"channel {ident} is shared with another company"
    return ""


async def _group_problem(slack: SlackClient, ident: str, accepted: Collection[str]) -> str:
    """Check a user group by its last editor, as Slack does not report who may edit it."""
    answer = await slack.get("usergroups.list", {"include_disabled": "false"})
    group = next((group for group in answer.get("usergroups", ()) if group.get("id") == ident), None)
    if group is None:
        raise SlackError("usergroups.list", "no_such_subteam")
    if group.get("is_external"):
        return f"user group {ident} is another company's"
    editor = str(group.get("updated_by") or group.get("created_by") or "")
    if not editor or MEMBER_EDITED_GROUPS in accepted:
        return ""
    about = (await slack.get("users.info", {"user": editor})).get("user", {})
    if any(about.get(name) for name in ("is_admin", "is_owner", "is_primary_owner", "is_bot")):
        return ""
    return f"user group {ident} was last edited by {editor}, who is no administrator, so its members can add others"
