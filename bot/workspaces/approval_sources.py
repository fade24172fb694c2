"""Whether a channel or user group is closed enough for its members to decide: nobody may let themselves in."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from vpsops.bot.slack_api.client import Slack, SlackError

PUBLIC: Final = "public-channels"
SHARED: Final = "shared-channels"
GROUPS: Final = "member-edited-groups"
ACCEPT_HINT: Final = (
    "An administrator makes it private, or says with VPSOPS_ACCEPT_APPROVERS that it is meant to be open."
)


async def unfit_source(slack: Slack, kind: str, ident: str, accepted: Collection[str]) -> str:
    """Return why members of a channel or user group may not decide, or nothing; raises `SlackError`."""
    if kind == "channel":
        about = (await slack.get("conversations.info", {"channel": ident})).get("channel")
        return unfit_channel(ident, about if isinstance(about, dict) else {}, accepted)
    return await _unfit_group(slack, ident, accepted)


def unfit_channel(ident: str, about: Mapping[str, Any], accepted: Collection[str]) -> str:
    """Return why a channel of a `conversations.info` answer is none for approvals; what is not told counts as open."""
    if about.get("is_private") is not True and PUBLIC not in accepted:
        return f"channel {ident} is public, so anybody may join it"
    shared = about.get("is_ext_shared") or about.get("is_pending_ext_shared")
    if shared and SHARED not in accepted:
        return f"channel {ident} is shared with another company"
    return ""


async def _unfit_group(slack: Slack, ident: str, accepted: Collection[str]) -> str:
    """Slack does not tell who may edit a user group, but it tells who did last."""
    answer = await slack.get("usergroups.list", {"include_disabled": "false"})
    group = next((one for one in answer.get("usergroups", ()) if one.get("id") == ident), None)
    if group is None:
        raise SlackError("usergroups.list", "no_such_subteam")
    if group.get("is_external"):
        return f"user group {ident} is another company's"
    editor = str(group.get("updated_by") or group.get("created_by") or "")
    if not editor or GROUPS in accepted:
        return ""
    about = (await slack.get("users.info", {"user": editor})).get("user", {})
    if any(about.get(name) for name in ("is_admin", "is_owner", "is_primary_owner", "is_bot")):
        return ""
    return f"user group {ident} was last edited by {editor}, who is no administrator, so its members can add others"
