"""Web API: the people and channels of the workspace."""

from vpsops.playground.slack.protocol.context import Desk
from vpsops.playground.slack.protocol.request_parsing import flag, page, required
from vpsops.playground.slack.protocol.serializers import channel_body, group_body, user_body
from vpsops.playground.slack.workspace.entities import Channel, Group
from vpsops.playground.slack.workspace.protocol import ApiError, Json

KINDS = {"public_channel": "public", "private_channel": "private", "im": "im", "mpim": "mpim"}
SCOPES = {"public": "channels:read", "private": "groups:read", "im": "im:read", "mpim": "mpim:read"}


def auth_test(desk: Desk, args: Json) -> Json:
    """auth.test: the token's owner."""
    del args
    config = desk.config
    return {
        "url": f"https://{config.team_domain}.slack.com/",
        "team": config.team_name,
        "user": config.bot_name,
        "team_id": config.team_id,
        "user_id": config.bot_user_id,
        "bot_id": config.bot_id,
        "is_enterprise_install": False,
        **({"enterprise_id": config.enterprise_id} if config.enterprise_id else {}),
    }


def auth_revoke(desk: Desk, args: Json) -> Json:
    """auth.revoke: the token is worth nothing from now on."""
    test = str(args.get("test", "")).lower() in {"1", "true"}
    if not test:
        desk.state.token_refused = "token_revoked"  # noqa: S105 - Slack's error for such a token
    return {"revoked": not test}


def api_test(desk: Desk, args: Json) -> Json:
    """api.test: the arguments back."""
    del desk
    return {"args": {name: value for name, value in args.items() if name != "token"}}


def team_info(desk: Desk, args: Json) -> Json:
    """team.info: the workspace's own names."""
    del args
    config = desk.config
    return {"team": {"id": config.team_id, "name": config.team_name, "domain": config.team_domain}}


def bots_info(desk: Desk, args: Json) -> Json:
    """bots.info: the bot behind a bot id."""
    config = desk.config
    if required(args, "bot", "bot_not_found") != config.bot_id:
        raise ApiError("bot_not_found")
    bot = {"id": config.bot_id, "app_id": config.app_id, "user_id": config.bot_user_id, "name": config.bot_name}
    return {"bot": {**bot, "deleted": False}}


def users_info(desk: Desk, args: Json) -> Json:
    """users.info: one person."""
    return {"user": user_body(desk.state, desk.state.member(required(args, "user", "user_not_found")))}


def users_list(desk: Desk, args: Json) -> Json:
    """users.list: all users, a page at a time."""
    users = [user_body(desk.state, each) for each in desk.state.users.values()]
    members, cursor = page(users, args)
    return {"members": members, "response_metadata": {"next_cursor": cursor}}


def users_lookup_by_email(desk: Desk, args: Json) -> Json:
    """users.lookupByEmail: the active person with this address."""
    email = required(args, "email", "users_not_found").lower()
    for user in desk.state.users.values():
        if user.email.lower() == email and not user.deleted:
            return {"user": user_body(desk.state, user)}
    raise ApiError("users_not_found")


def usergroups_list(desk: Desk, args: Json) -> Json:
    """usergroups.list: the user groups, disabled ones only on request."""
    groups = [each for each in desk.state.groups.values() if not each.disabled or flag(args, "include_disabled")]
    with_users = flag(args, "include_users")
    return {"usergroups": [group_body(desk.state, each, with_users=with_users) for each in groups]}


def usergroups_users_list(desk: Desk, args: Json) -> Json:
    """usergroups.users.list: the members of a user group."""
    group: Group | None = desk.state.groups.get(required(args, "usergroup", "no_such_subteam"))
    if group is None or (group.disabled and not flag(args, "include_disabled")):
        raise ApiError("no_such_subteam")
    return {"users": list(group.members)}


def conversations_info(desk: Desk, args: Json) -> Json:
    """conversations.info: one channel."""
    channel = desk.state.visible(required(args, "channel", "channel_not_found"))
    _granted(desk, channel)
    return {"channel": channel_body(desk.state, channel)}


def conversations_members(desk: Desk, args: Json) -> Json:
    """conversations.members: the members of a channel, a page at a time."""
    channel = desk.state.visible(required(args, "channel", "channel_not_found"))
    _granted(desk, channel)
    rows, cursor = page([{"id": each} for each in sorted(channel.members)], args)
    return {"members": [each["id"] for each in rows], "response_metadata": {"next_cursor": cursor}}


def conversations_list(desk: Desk, args: Json) -> Json:
    """conversations.list: the channels visible to the bot, of the requested kinds."""
    kinds = {KINDS.get(each.strip()) for each in str(args.get("types") or "public_channel").split(",")}
    if None in kinds:
        raise ApiError("invalid_types")
    desk.need_all(*sorted(SCOPES[kind] for kind in kinds if kind))
    known = [each for each in desk.state.channels.values() if each.kind in kinds and _is_known(desk, each)]
    if flag(args, "exclude_archived"):
        known = [each for each in known if not each.archived]
    channels, cursor = page([channel_body(desk.state, each) for each in known], args)
    return {"channels": channels, "response_metadata": {"next_cursor": cursor}}


def conversations_open(desk: Desk, args: Json) -> Json:
    """conversations.open: the direct messages with one person, or a group conversation."""
    users = frozenset(each for each in str(args.get("users") or "").split(",") if each)
    if not users:
        raise ApiError("users_list_not_supplied")
    for user in users:
        if desk.state.member(user).deleted:
            raise ApiError("user_disabled")
    single = len(users) == 1
    desk.need("im:write" if single else "mpim:write")
    channel = desk.state.dm_with(next(iter(users))) if single else desk.state.group_dm(users)
    return {"channel": channel_body(desk.state, channel)}


def _is_known(desk: Desk, channel: Channel) -> bool:
    return channel.kind == "public" or desk.config.bot_user_id in channel.members


def _granted(desk: Desk, channel: Channel) -> None:
    desk.need(SCOPES[channel.kind])


HANDLERS = {
    "auth.test": auth_test,
    "auth.revoke": auth_revoke,
    "api.test": api_test,
    "team.info": team_info,
    "bots.info": bots_info,
    "users.info": users_info,
    "users.list": users_list,
    "users.lookupByEmail": users_lookup_by_email,
    "usergroups.list": usergroups_list,
    "usergroups.users.list": usergroups_users_list,
    "conversations.info": conversations_info,
    "conversations.members": conversations_members,
    "conversations.list": conversations_list,
    "conversations.open": conversations_open,
}
