"""Resolves names (user ids, e-mail addresses) to Slack accounts: the core's directory of humans behind agents."""

from typing import Any, Final

from vpsops.bot.slack_api.client import SlackClient, SlackError
from vpsops.bot.workspaces.membership import Membership, MembershipUnreadableError
from vpsops.bot.workspaces.registry import WorkspaceSessions
from vpsops.bot.workspaces.tenancy import LESS_THAN_MEMBERS, Affiliation
from vpsops.core.common.errors import VpsopsError
from vpsops.core.identity.accounts import GUEST, AccountAnswer, DirectoryUnavailableError, Names, account_name
from vpsops.core.identity.actors import SLACK
from vpsops.core.workspaces.model import Workspaces

NOT_FULL_MEMBER: Final = ("is_bot", *LESS_THAN_MEMBERS)
UNKNOWN_USER_CODES: Final = frozenset({"users_not_found", "user_not_found"})
HINT: Final = "If it stays so, run `vpsops doctor` where the bot runs."
User = dict[str, Any]


class SlackAccounts:
    """The accounts of the workspace that decides on agents' changes, and of another one where a name says so."""

    def __init__(self, offices: WorkspaceSessions, workspaces: Workspaces) -> None:
        self._offices = offices
        self._team = workspaces.home if workspaces.several else ""

    async def find(self, names: Names) -> AccountAnswer:
        """Return the account of these names; raises `DirectoryUnavailableError`, `StorageError`."""
        team, names = workspace_in(names)
        try:
            office = await self._offices.of(team or self._team)
            return await find_account(office.slack, office.membership, names)
        except MembershipUnreadableError as error:
            raise DirectoryUnavailableError(error.message, hint=error.hint) from None
        except SlackError as error:
            raise DirectoryUnavailableError(f"Slack did not return the account ({error}).", hint=HINT) from None
        except VpsopsError as error:
            raise DirectoryUnavailableError(error.message, hint=error.hint) from None


def workspace_in(names: Names) -> tuple[str, Names]:
    """Return the workspace that one name of an account says, and the names without it; see `account_name`."""
    team, separator, account = names[0].removeprefix(SLACK).partition("/") if len(names) == 1 else ("", "", "")
    return (team, (account_name(account),)) if separator and names[0].startswith(SLACK) else ("", names)


async def find_account(slack: SlackClient, membership: Membership, names: Names) -> AccountAnswer:
    """Return the account that has all these names, if it is an active full member; raises `SlackError`."""
    tenant = await membership.tenant()
    users: dict[str, User] = {}
    for name in names:
        user = await _find_user(slack, name)
        if user is None and name.startswith(SLACK):
            return AccountAnswer(problem=f"Slack knows no account {name.removeprefix(SLACK)}")
        if user is not None:
            users[str(user.get("id", ""))] = user
    if len(users) != 1 or "" in users:
        several = "these are the names of several accounts" if users else "Slack knows no active account by that name"
        return AccountAnswer(problem=several)
    ((ident, user),) = users.items()
    problem = _problem(user, tenant.affiliation(user))
    return AccountAnswer(problem=problem) if problem else AccountAnswer(account=ident)


async def _find_user(slack: SlackClient, name: str) -> User | None:
    by_id = name.startswith(SLACK)
    method, params = (
        ("users.info", {"user": name.removeprefix(SLACK)}) if by_id else ("users.lookupByEmail", {"email": name})
    )
    try:
        user = (await slack.get(method, params)).get("user")
    except SlackError as error:
        if error.code in UNKNOWN_USER_CODES:
            return None
        raise
    if not isinstance(user, dict) or (by_id and user.get("id") != params["user"]):
        raise SlackError(method, "no_user_in_the_answer")
    return user


def _problem(user: User, affiliation: Affiliation) -> str:
    """Return why an account is not accepted, or ""."""
    if affiliation is not Affiliation.MEMBER:
        return "that account is of another workspace"
    if user.get("deleted"):
        return "that account is deactivated"
    if user.get("is_restricted") or user.get("is_ultra_restricted"):
        return GUEST
    return "that account is no full member's" if any(user.get(flag) for flag in NOT_FULL_MEMBER) else ""
