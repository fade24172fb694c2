"""Wire forms of the workspace's objects."""

from vpsops.playground.slack.workspace.entities import Channel, Group, Message, User, View
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.slack.workspace.state import WorkspaceState


def message_body(state: WorkspaceState, message: Message) -> Json:
    """Return a message as chat methods and payloads carry it."""
    body: Json = {"type": "message", "user": message.user, "ts": message.ts, "text": message.text}
    body["team"] = state.config.team_id
    if message.bot_id:
        body |= {"bot_id": message.bot_id, "app_id": state.config.app_id}
    if message.blocks:
        body["blocks"] = list(message.blocks)
    if message.thread_ts:
        body["thread_ts"] = message.thread_ts
    if message.metadata:
        body["metadata"] = message.metadata
    if message.edits:
        body["edited"] = {"user": message.user, "ts": f"{message.edits[-1].until.timestamp():.6f}"}
    return body


def view_body(state: WorkspaceState, view: View, values: Json | None = None) -> Json:
    """Return a view as view methods and payloads carry it."""
    return {
        **view.body,
        "id": view.id,
        "team_id": state.config.team_id,
        "app_id": state.config.app_id,
        "app_installed_team_id": state.config.team_id,
        "bot_id": state.config.bot_id,
        "hash": view.hash,
        "root_view_id": view.root,
        "previous_view_id": view.previous,
        "state": {"values": values or {}},
    }


def user_body(state: WorkspaceState, user: User) -> Json:
    """Return a user as users.info carries it."""
    profile: Json = {"real_name": user.real_name, "display_name": user.name}
    if "users:read.email" in state.config.scopes and user.email:
        profile["email"] = user.email
    grid = user.enterprise or (state.config.enterprise_id if not user.team else "")
    return {
        "id": user.id,
        "team_id": user.team or state.config.team_id,
        "name": user.name,
        "deleted": user.deleted,
        "real_name": user.real_name,
        "tz": user.tz,
        "tz_offset": user.tz_offset,
        "profile": profile,
        "is_admin": user.is_admin,
        "is_bot": user.is_bot,
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": False,
        **({"is_stranger": user.is_stranger} if user.team and user.team != state.config.team_id else {}),
        **({"enterprise_user": _grid_body(state, user, grid)} if grid else {}),
    }


def _grid_body(state: WorkspaceState, user: User, enterprise: str) -> Json:
    """Return Slack's fields for a user in an organisation, with the user's workspaces."""
    teams = list(user.teams) or [user.team or state.config.team_id]
    return {"id": user.id, "enterprise_id": enterprise, "enterprise_name": enterprise, "teams": teams}


def channel_body(state: WorkspaceState, channel: Channel) -> Json:
    """Return a conversation as conversations.info carries it."""
    body: Json = {
        "id": channel.id,
        "is_channel": channel.kind == "public",
        "is_group": channel.kind == "private",
        "is_im": channel.kind == "im",
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "public",
        "is_archived": channel.archived,
        "is_member": state.config.bot_user_id in channel.members,
        "context_team_id": state.config.team_id,
        "is_shared": channel.shared,
        "is_ext_shared": channel.shared,
        "is_org_shared": False,
        "is_pending_ext_shared": channel.invited,
    }
    if channel.kind == "im":
        body["user"] = next(iter(channel.members - {state.config.bot_user_id}), state.config.bot_user_id)
    else:
        body |= {"name": channel.name, "num_members": len(channel.members)}
    return body


def group_body(state: WorkspaceState, group: Group, *, with_users: bool) -> Json:
    """Return a user group as usergroups.list carries it."""
    body: Json = {
        "id": group.id,
        "team_id": state.config.team_id,
        "is_usergroup": True,
        "handle": group.handle,
        "name": group.name,
        "is_external": group.external,
        "auto_type": None,
        "created_by": group.updated_by,
        "updated_by": group.updated_by,
        "date_delete": 1 if group.disabled else 0,
        "user_count": len(group.members),
    }
    return {**body, "users": list(group.members)} if with_users else body


def permalink(state: WorkspaceState, channel: str, ts: str) -> str:
    """Return the web address of a message."""
    return f"https://{state.config.team_domain}.slack.com/archives/{channel}/p{ts.replace('.', '')}"
